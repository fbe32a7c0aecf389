//! Why a request or a start was refused, by who is at fault, and how that reads in JavaScript.

use std::fmt::Display;
use std::io;

use millrace_model::{ErrorClass, ModelError};
use millrace_net::BindError;

use crate::message::ErrorBody;

/// Why a request was refused. It changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// An argument is wrong or not supported (our caller).
    #[error(transparent)]
    Argument(#[from] ModelError),
    /// The request names a method that does not exist (our caller).
    #[error("there is no method `{0}`")]
    UnknownMethod(String),
    /// An object with that id does not exist: never made, closed, or of another worker (our caller).
    #[error("no {noun} has the id {id}")]
    NotFound {
        /// What was looked for.
        noun: &'static str,
        /// Its id.
        id: String,
    },
    /// An object with that id exists already (our caller).
    #[error("a {noun} with the id {id} exists already")]
    Duplicate {
        /// What exists.
        noun: &'static str,
        /// Its id.
        id: String,
    },
    /// The object is in a state in which the request makes no sense (our caller).
    #[error("{0}")]
    InvalidState(String),
    /// A parameter collides with one of another producer on the same transport (our caller).
    #[error("{0}")]
    Collision(String),
    /// Too many requests wait (a limit).
    #[error("too many requests wait for this worker; wait for replies before sending more")]
    TooMany,
    /// A bound on objects was hit (a limit).
    #[error("{0}")]
    Limit(String),
    /// A socket could not be bound (outside).
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The operating system refused something else (outside).
    #[error("{doing}: {error}")]
    System {
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        error: io::Error,
    },
    /// Another request on the way refused it, with this reason.
    #[error("{}", .0.message)]
    Refused(ErrorBody),
    /// The worker was closed, or died.
    #[error("the worker is closed")]
    WorkerClosed,
}

impl RequestError {
    /// An object was not found.
    pub(crate) fn not_found(noun: &'static str, id: impl Display) -> Self {
        Self::NotFound { noun, id: id.to_string() }
    }

    /// An object exists already.
    pub(crate) fn duplicate(noun: &'static str, id: impl Display) -> Self {
        Self::Duplicate { noun, id: id.to_string() }
    }

    /// The error as data.
    pub fn body(&self) -> ErrorBody {
        let (class, code) = match self {
            Self::Refused(body) => return body.clone(),
            Self::Argument(error) => (error.class(), error.code()),
            Self::UnknownMethod(_) => (ErrorClass::TypeError, "ERR_UNKNOWN_METHOD"),
            Self::NotFound { .. } => (ErrorClass::NotFoundError, "ERR_NOT_FOUND"),
            Self::Duplicate { .. } => (ErrorClass::TypeError, "ERR_DUPLICATE_ID"),
            Self::InvalidState(_) => (ErrorClass::InvalidStateError, "ERR_INVALID_STATE"),
            Self::Collision(_) => (ErrorClass::TypeError, "ERR_DUPLICATE_STREAM"),
            Self::TooMany => (ErrorClass::Error, "ERR_TOO_MANY_REQUESTS"),
            Self::Limit(_) => (ErrorClass::Error, "ERR_LIMIT_EXCEEDED"),
            Self::Bind(error) => bind_error(error),
            Self::System { .. } => (ErrorClass::Error, "ERR_SYSTEM"),
            Self::WorkerClosed => (ErrorClass::WorkerClosedError, "ERR_WORKER_CLOSED"),
        };
        ErrorBody { class, code, message: self.to_string() }
    }
}

/// Why a worker did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings are wrong (our caller).
    #[error(transparent)]
    Settings(ModelError),
    /// The certificate or its key could not be read or used (our caller).
    #[error("{0}")]
    Certificate(String),
    /// The operating system gave no thread (outside).
    #[error("no thread for the worker: {0}")]
    Thread(io::Error),
}

impl StartError {
    /// The error as JSON text of an [`ErrorBody`].
    pub fn body_json(&self) -> String {
        let (class, code) = match self {
            Self::Settings(error) => (error.class(), error.code()),
            Self::Certificate(_) => (ErrorClass::TypeError, "ERR_CERTIFICATE"),
            Self::Thread(_) => (ErrorClass::Error, "ERR_SYSTEM"),
        };
        let message = self.to_string();
        serde_json::json!({ "class": class, "code": code, "message": message }).to_string()
    }
}

fn bind_error(error: &BindError) -> (ErrorClass, &'static str) {
    match error {
        BindError::EmptyPortRange { .. }
        | BindError::LinkLocalWithoutScope(_)
        | BindError::Ipv6OnlyOnIpv4(_)
        | BindError::InvalidAddress(_) => (ErrorClass::TypeError, "ERR_INVALID_ARGUMENT"),
        BindError::AddressNotAvailable(_) => (ErrorClass::Error, "ERR_ADDRESS_NOT_AVAILABLE"),
        BindError::AddressInUse(_) => (ErrorClass::Error, "ERR_ADDRESS_IN_USE"),
        BindError::PermissionDenied(_) => (ErrorClass::Error, "ERR_PERMISSION_DENIED"),
        BindError::NoPortLeft { .. } => (ErrorClass::Error, "ERR_NO_PORT_LEFT"),
        BindError::Outside(_) => (ErrorClass::Error, "ERR_SYSTEM"),
    }
}

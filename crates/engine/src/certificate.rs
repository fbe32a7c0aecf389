//! The certificate of a worker: made at start, or read from the files that the settings name.

use std::fs;
use std::path::Path;

use millrace_model::CheckedWorkerSettings;
use millrace_transport::dtls::LocalCertificate;

use crate::error::StartError;

/// Loads or makes the certificate that all transports of a worker show.
pub(crate) fn load(settings: &CheckedWorkerSettings) -> Result<LocalCertificate, StartError> {
    let loaded = match &settings.dtls_files {
        None => LocalCertificate::generate(),
        Some(files) => LocalCertificate::from_pem(
            &read(&files.certificate, "dtlsCertificateFile")?,
            &read(&files.private_key, "dtlsPrivateKeyFile")?,
        ),
    };
    loaded.map_err(|error| StartError::Certificate(format!("the DTLS certificate cannot be used: {error}")))
}

fn read(path: &Path, setting: &str) -> Result<String, StartError> {
    fs::read_to_string(path).map_err(|error| StartError::Certificate(format!("{setting} {}: {error}", path.display())))
}

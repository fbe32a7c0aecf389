//! Many messages, each one datagram or a run of equal ones, by one `sendmmsg`.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use libc::{c_uint, iovec, mmsghdr};

use super::control::{Control, ControlWriter};
use super::name::SocketName;
use super::receive::{EMPTY_HEADER, EMPTY_IOVEC};
use crate::send::plan::{MESSAGES_MAX, Message, Plan};

/// What the kernel reads in one call, allocated once.
pub(crate) struct TransmitArrays {
    headers: Box<[mmsghdr]>,
    names: Box<[SocketName]>,
    controls: Box<[Control]>,
    iovecs: Box<[iovec]>,
}

/// What a socket needs in its messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MessageForm {
    /// An IPv6 socket takes IPv4 addresses in mapped form.
    pub(crate) is_ipv6: bool,
    /// A wildcard socket must be told the source address.
    pub(crate) names_source: bool,
}

impl TransmitArrays {
    /// Room for plans of at most `segments_max` segments.
    pub(crate) fn new(segments_max: usize) -> Self {
        Self {
            headers: vec![EMPTY_HEADER; MESSAGES_MAX].into(),
            names: vec![SocketName::EMPTY; MESSAGES_MAX].into(),
            controls: vec![Control::EMPTY; MESSAGES_MAX].into(),
            iovecs: vec![EMPTY_IOVEC; segments_max].into(),
        }
    }

    /// Sends the plan's messages in order and tells how many the kernel took.
    ///
    /// # Errors
    /// That of the first message; later errors show in the next call.
    #[allow(unsafe_code)]
    pub(crate) fn send(&mut self, socket: BorrowedFd<'_>, form: MessageForm, plan: Plan<'_>) -> io::Result<usize> {
        let count = self.connect(form, plan) as c_uint;
        // SAFETY: `connect` filled `count` headers, each with pointers to a name, ancillary data and iovecs of the
        // counts it states, all owned by `self`; the iovecs point into the arena, which `plan` borrows beyond this
        // call and which the kernel only reads. Nothing moves meanwhile.
        let sent =
            unsafe { libc::sendmmsg(socket.as_raw_fd(), self.headers.as_mut_ptr(), count, libc::MSG_DONTWAIT as _) };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }

    /// Fills a header for each message and tells how many there are.
    fn connect(&mut self, form: MessageForm, plan: Plan<'_>) -> usize {
        let mut free_iovecs = &mut self.iovecs[..];
        let rooms = self.names.iter_mut().zip(&mut self.controls).zip(&mut self.headers);
        let mut count = 0;
        for (message, ((name, control), header)) in plan.messages.iter().zip(rooms) {
            let segments = plan.segments_of(message);
            let Some((iovecs, rest)) = std::mem::take(&mut free_iovecs).split_at_mut_checked(segments.len()) else {
                break;
            };
            free_iovecs = rest;
            for (iovec, segment) in iovecs.iter_mut().zip(segments) {
                let bytes = plan.bytes_of(segment);
                *iovec = iovec_of(bytes);
            }
            connect_message(header, message, form, (name, control, iovecs));
            count += 1;
        }
        count
    }
}

fn iovec_of(bytes: &[u8]) -> iovec {
    // The kernel only reads what is sent; the struct is shared with receiving, which writes.
    iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() }
}

fn connect_message(
    header: &mut mmsghdr,
    message: &Message,
    form: MessageForm,
    (name, control, iovecs): (&mut SocketName, &mut Control, &mut [iovec]),
) {
    let (written, name_len) = SocketName::new(message.remote, form.is_ipv6);
    *name = written;
    let header = &mut header.msg_hdr;
    header.msg_name = ptr::from_mut(name).cast();
    header.msg_namelen = name_len;
    header.msg_iov = iovecs.as_mut_ptr();
    header.msg_iovlen = iovecs.len() as _;
    let mut writer = ControlWriter::new(control);
    if let Some(source) = message.source.filter(|_| form.names_source) {
        writer.leave_from(source, form.is_ipv6);
    }
    if message.segments > 1 {
        writer.cut_into(message.segment_bytes);
    }
    writer.attach(header);
}

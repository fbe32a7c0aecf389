//! Ancillary data of a message (RFC 3542 §4): which local address, which segment size.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use libc::{c_int, c_uint, msghdr};

/// Bytes of ancillary data that a message can carry in either direction.
///
/// The most that is sent is packet information of an IPv6 socket and a segment size; the kernel cuts what it would
/// tell beyond this, of which nothing was asked for.
const CONTROL_BYTES: usize = 128;

/// Room for the ancillary data of one message, aligned as its headers need it.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(super) struct Control([u8; CONTROL_BYTES]);

impl Control {
    /// No ancillary data.
    pub(super) const EMPTY: Self = Self([0; CONTROL_BYTES]);
    /// Bytes of room; what the kernel is told when it writes.
    pub(super) const BYTES: usize = CONTROL_BYTES;

    /// Where the kernel reads or writes.
    pub(super) fn as_mut_ptr(&mut self) -> *mut libc::c_void {
        self.0.as_mut_ptr().cast()
    }

    /// The local address told in the first `len` bytes, in canonical form.
    pub(super) fn local_ip(&self, len: usize) -> Option<IpAddr> {
        let mut rest = self.0.get(..len)?;
        while let Some((header, data, after)) = split_message(rest) {
            match (header.cmsg_level, header.cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => return ipv4_of(data),
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => return ipv6_of(data),
                _ => rest = after,
            }
        }
        None
    }
}

/// Builds the ancillary data of one outgoing message.
pub(super) struct ControlWriter<'a> {
    room: &'a mut Control,
    len: usize,
}

impl<'a> ControlWriter<'a> {
    /// Begins with none.
    pub(super) fn new(room: &'a mut Control) -> Self {
        Self { room, len: 0 }
    }

    /// Says from which of our addresses the message leaves. An IPv6 socket takes IPv4-mapped addresses for IPv4.
    pub(super) fn leave_from(&mut self, source: IpAddr, is_ipv6_socket: bool) {
        match source {
            IpAddr::V4(ip) if !is_ipv6_socket => {
                // struct in_pktinfo: interface index, local address, header address.
                let mut info = [0; 12];
                info[4..8].copy_from_slice(&ip.octets());
                self.push(libc::IPPROTO_IP, libc::IP_PKTINFO, &info);
            }
            source => {
                let ip = match source {
                    IpAddr::V4(ip) => ip.to_ipv6_mapped(),
                    IpAddr::V6(ip) => ip,
                };
                // struct in6_pktinfo: address, interface index.
                let mut info = [0; 20];
                info[..16].copy_from_slice(&ip.octets());
                self.push(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &info);
            }
        }
    }

    /// Asks the kernel to cut the message into datagrams of `bytes` each; the last may be shorter.
    pub(super) fn cut_into(&mut self, bytes: u16) {
        self.push(libc::SOL_UDP, libc::UDP_SEGMENT, &bytes.to_ne_bytes());
    }

    /// Attaches what was written to a message.
    pub(super) fn attach(self, message: &mut msghdr) {
        message.msg_controllen = self.len as _;
        message.msg_control = if self.len == 0 { std::ptr::null_mut() } else { self.room.as_mut_ptr() };
    }

    /// Two messages of at most 20 bytes always fit [`CONTROL_BYTES`].
    fn push(&mut self, level: c_int, kind: c_int, data: &[u8]) {
        let Some(room) = self.room.0.get_mut(self.len..self.len + space(data.len())) else { return };
        let (head, body) = room.split_at_mut(HEADER_BYTES);
        write_header(head, data.len(), level, kind);
        if let Some(body) = body.get_mut(..data.len()) {
            body.copy_from_slice(data);
        }
        self.len += space(data.len());
    }
}

/// Bytes of a `cmsghdr` with its alignment.
const HEADER_BYTES: usize = length(0);

/// `CMSG_LEN`.
#[allow(unsafe_code)]
const fn length(data_bytes: usize) -> usize {
    // SAFETY: the macro is arithmetic only; it is marked unsafe because all of its family is.
    unsafe { libc::CMSG_LEN(data_bytes as c_uint) as usize }
}

/// `CMSG_SPACE`.
#[allow(unsafe_code)]
const fn space(data_bytes: usize) -> usize {
    // SAFETY: as for `length`.
    unsafe { libc::CMSG_SPACE(data_bytes as c_uint) as usize }
}

#[allow(unsafe_code)]
fn write_header(head: &mut [u8], data_bytes: usize, level: c_int, kind: c_int) {
    assert!(head.len() >= size_of::<libc::cmsghdr>());
    // SAFETY: all-zero is a valid value of this struct of integers (some C libraries add padding fields).
    let mut header: libc::cmsghdr = unsafe { std::mem::zeroed() };
    header.cmsg_len = length(data_bytes) as _;
    header.cmsg_level = level;
    header.cmsg_type = kind;
    // SAFETY: the slice has room for the header; the write needs no alignment.
    unsafe { head.as_mut_ptr().cast::<libc::cmsghdr>().write_unaligned(header) };
}

/// Splits the first ancillary message off: its header, its data, what follows.
#[allow(unsafe_code)]
fn split_message(bytes: &[u8]) -> Option<(libc::cmsghdr, &[u8], &[u8])> {
    if bytes.len() < HEADER_BYTES {
        return None;
    }
    // SAFETY: there are at least as many bytes as the header has, any bytes are a valid value of this struct of
    // integers, and the read needs no alignment.
    let header = unsafe { bytes.as_ptr().cast::<libc::cmsghdr>().read_unaligned() };
    #[allow(clippy::unnecessary_cast, reason = "the field's type differs between C libraries")]
    let len = header.cmsg_len as usize;
    let data = bytes.get(HEADER_BYTES..len)?;
    let after = bytes.get(space(data.len())..).unwrap_or_default();
    Some((header, data, after))
}

/// The local address of a `struct in_pktinfo`: the second of its three words.
fn ipv4_of(data: &[u8]) -> Option<IpAddr> {
    let octets: [u8; 4] = data.get(4..8)?.try_into().ok()?;
    Some(Ipv4Addr::from(octets).into())
}

/// The local address of a `struct in6_pktinfo`: its first 16 bytes.
fn ipv6_of(data: &[u8]) -> Option<IpAddr> {
    let octets: [u8; 16] = data.get(..16)?.try_into().ok()?;
    Some(IpAddr::from(Ipv6Addr::from(octets)).to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_address_is_found_behind_other_ancillary_data() {
        for (ip, is_ipv6_socket) in [("127.0.0.2", false), ("127.0.0.2", true), ("2001:db8::9", true)] {
            let ip: IpAddr = ip.parse().unwrap();
            let mut control = Control::EMPTY;
            let mut writer = ControlWriter::new(&mut control);
            writer.cut_into(1200);
            writer.leave_from(ip, is_ipv6_socket);
            let len = writer.len;
            assert_eq!(control.local_ip(len), Some(ip));
            assert_eq!(control.local_ip(len - 9), None, "cut ancillary data tells nothing");
        }
    }

    #[test]
    fn no_ancillary_data_tells_no_address() {
        assert_eq!(Control::EMPTY.local_ip(0), None);
        assert_eq!(Control::EMPTY.local_ip(CONTROL_BYTES), None);
        assert_eq!(Control::EMPTY.local_ip(CONTROL_BYTES + 1), None);
    }
}

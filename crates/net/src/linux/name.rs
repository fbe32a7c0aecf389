//! Socket addresses in the kernel's form.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use libc::{sa_family_t, socklen_t};

use crate::address::{canonical, for_ipv6_socket};

/// Room for an IPv4 or IPv6 socket address.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) union SocketName {
    /// First so that an all-zero name is a valid value of every member.
    v6: libc::sockaddr_in6,
    v4: libc::sockaddr_in,
    family: sa_family_t,
}

impl SocketName {
    /// Bytes of room; what the kernel is told when it writes a name.
    pub(super) const BYTES: socklen_t = size_of::<Self>() as socklen_t;

    /// No address (`AF_UNSPEC`).
    pub(super) const EMPTY: Self = Self { v6: ipv6_name(SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, 0, 0, 0), 0) };

    /// The form of `address` that a socket of the given family takes, and its length.
    pub(super) fn new(address: SocketAddr, is_ipv6_socket: bool) -> (Self, socklen_t) {
        match address {
            SocketAddr::V4(v4) if !is_ipv6_socket => {
                let v4 = libc::sockaddr_in {
                    sin_family: libc::AF_INET as sa_family_t,
                    sin_port: v4.port().to_be(),
                    sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(v4.ip().octets()) },
                    sin_zero: [0; 8],
                };
                let mut name = Self::EMPTY;
                name.v4 = v4;
                (name, size_of::<libc::sockaddr_in>() as socklen_t)
            }
            address => {
                let v6 = ipv6_name(for_ipv6_socket(address), libc::AF_INET6 as sa_family_t);
                (Self { v6 }, size_of::<libc::sockaddr_in6>() as socklen_t)
            }
        }
    }

    /// The address that the kernel wrote, in canonical form; `None` for no IP address.
    #[allow(unsafe_code)]
    pub(super) fn address(&self) -> Option<SocketAddr> {
        // SAFETY: every member is plain integers, the family comes first in each, and names begin all zero, so each
        // member can be read whatever was written.
        let (family, v4, v6) = unsafe { (self.family, self.v4, self.v6) };
        match i32::from(family) {
            libc::AF_INET => {
                let ip = Ipv4Addr::from(v4.sin_addr.s_addr.to_ne_bytes());
                Some(SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into())
            }
            libc::AF_INET6 => {
                let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
                Some(canonical(SocketAddrV6::new(ip, u16::from_be(v6.sin6_port), 0, v6.sin6_scope_id).into()))
            }
            _ => None,
        }
    }
}

const fn ipv6_name(address: SocketAddrV6, family: sa_family_t) -> libc::sockaddr_in6 {
    libc::sockaddr_in6 {
        sin6_family: family,
        sin6_port: address.port().to_be(),
        sin6_flowinfo: address.flowinfo(),
        sin6_addr: libc::in6_addr { s6_addr: address.ip().octets() },
        sin6_scope_id: address.scope_id(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_kernels_form() {
        for (address, is_ipv6_socket) in
            [("192.0.2.1:65535", false), ("192.0.2.1:1", true), ("[2001:db8::1]:443", true), ("[fe80::1%7]:5", true)]
        {
            let address: SocketAddr = address.parse().unwrap();
            assert_eq!(SocketName::new(address, is_ipv6_socket).0.address(), Some(address));
        }
        assert_eq!(SocketName::EMPTY.address(), None);
    }
}

//! The Linux socket: `sendmmsg`, `recvmmsg`, `IP_PKTINFO`.

use std::ffi::CStr;
use std::io;
use std::mem;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;
use std::ptr;

use libc::{
    c_int, c_uint, c_void, cmsghdr, in_addr, in_pktinfo, iovec, mmsghdr, msghdr, sockaddr_in,
    socklen_t,
};

use crate::batch::{BATCH, DATAGRAM_MAX, Outgoing, RecvBatch, SendBatch, SendCount};
use crate::socket::{RECEIVE_BUFFER, RECEIVE_BUFFER_FORCED, SocketBuffers};

/// Room for one `in_pktinfo` control message (32 bytes on 64-bit Linux), aligned as the kernel wants it.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; 64]);

/// Counts of `SO_MEMINFO`; the last one is `SK_MEMINFO_DROPS` (linux/sock_diag.h).
const MEMINFO_COUNTS: usize = 9;

/// The loopback device.
const LOOPBACK: &CStr = c"lo";

#[derive(Debug)]
pub(crate) struct Native {
    socket: UdpSocket,
    local: SocketAddrV4,
}

impl Native {
    pub(crate) fn bind(address: SocketAddrV4) -> io::Result<Self> {
        let socket = UdpSocket::bind(address)?;
        socket.set_nonblocking(true)?;
        let SocketAddr::V4(local) = socket.local_addr()? else {
            return Err(io::Error::from(io::ErrorKind::AddrNotAvailable));
        };
        let native = Self { socket, local };
        if native.has_many_addresses() {
            native.set_option(libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?;
        }
        // Without the don't-fragment bit Linux hashes an IP ident per packet: 18 % of the sender's time with many callers.
        native.set_option(
            libc::IPPROTO_IP,
            libc::IP_MTU_DISCOVER,
            libc::IP_PMTUDISC_DO,
        )?;
        let wanted = c_int::try_from(RECEIVE_BUFFER).unwrap_or(c_int::MAX);
        let forcibly = c_int::try_from(RECEIVE_BUFFER_FORCED).unwrap_or(c_int::MAX);
        // The forced form passes net.core.rmem_max and needs privilege; the plain form is cut to that limit without an error.
        for (forced, plain) in [
            (libc::SO_RCVBUFFORCE, libc::SO_RCVBUF),
            (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF),
        ] {
            if native
                .set_option(libc::SOL_SOCKET, forced, forcibly)
                .is_err()
            {
                native.set_option(libc::SOL_SOCKET, plain, wanted)?;
            }
        }
        Ok(native)
    }

    /// A socket of no address that no other machine reaches, nor is reached by: it is the loopback device's.
    pub(crate) fn bind_callers() -> io::Result<Self> {
        let native = Self::bind(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0))?;
        native.bind_device(LOOPBACK)?;
        Ok(native)
    }

    #[expect(
        unsafe_code,
        reason = "setsockopt has no safe form in std for this option"
    )]
    fn bind_device(&self, name: &CStr) -> io::Result<()> {
        // SAFETY: the descriptor is open as long as `self`, and the kernel reads the bytes of the name, its end included.
        let result = unsafe {
            libc::setsockopt(
                self.socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_BINDTODEVICE,
                name.as_ptr().cast::<c_void>(),
                socklen_t::try_from(name.count_bytes() + 1).unwrap_or(0),
            )
        };
        if result == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }

    pub(crate) fn local_addr(&self) -> SocketAddrV4 {
        self.local
    }

    /// Whether only the kernel knows to which address a datagram came. That costs a control message each.
    fn has_many_addresses(&self) -> bool {
        self.local.ip().is_unspecified()
    }

    pub(crate) fn buffers(&self) -> SocketBuffers {
        let receive = self.option(libc::SOL_SOCKET, libc::SO_RCVBUF).unwrap_or(0);
        SocketBuffers {
            receive: usize::try_from(receive).unwrap_or(0),
        }
    }

    pub(crate) fn recv(&mut self, batch: &mut RecvBatch) -> io::Result<usize> {
        batch.clear();
        let many = self.has_many_addresses();
        let mut names = [EMPTY_NAME; BATCH];
        let mut controls = [Control([0; 64]); BATCH];
        let mut vectors = [EMPTY_VECTOR; BATCH];
        let mut headers = [empty_header(); BATCH];
        for (at, buffer) in batch.buffers().enumerate() {
            vectors[at] = iovec {
                iov_base: buffer.as_mut_ptr().cast(),
                iov_len: DATAGRAM_MAX,
            };
            let header = &mut headers[at].msg_hdr;
            header.msg_name = (&raw mut names[at]).cast();
            header.msg_namelen = size_of_socklen::<sockaddr_in>();
            header.msg_iov = &raw mut vectors[at];
            header.msg_iovlen = 1;
            if many {
                header.msg_control = controls[at].0.as_mut_ptr().cast();
                header.msg_controllen = size_of::<Control>() as _;
            }
        }
        let received = match self.receive_into(&mut headers) {
            Ok(received) => received,
            Err(error)
                if error.kind() == io::ErrorKind::WouldBlock
                    || error.kind() == io::ErrorKind::Interrupted =>
            {
                0
            }
            // A pending error of an earlier send (ICMP) surfaces here; it says nothing about what can be received.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => 0,
            Err(error) => return Err(error),
        };
        for at in 0..received {
            let header = &headers[at];
            if header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0 {
                batch.count_truncated();
                continue;
            }
            let source = SocketAddrV4::new(
                Ipv4Addr::from(u32::from_be(names[at].sin_addr.s_addr)),
                u16::from_be(names[at].sin_port),
            );
            let arrival = many.then(|| arrival_address(&header.msg_hdr)).flatten();
            let address = arrival.unwrap_or(*self.local.ip());
            let destination = SocketAddrV4::new(address, self.local.port());
            batch.push(
                at,
                (header.msg_len as usize).min(DATAGRAM_MAX),
                source,
                destination,
            );
        }
        Ok(received)
    }

    pub(crate) fn send(&mut self, batch: &SendBatch) -> SendCount {
        let mut count = SendCount::default();
        for chunk in batch.entries().chunks(BATCH) {
            self.send_chunk(batch, chunk, &mut count);
        }
        count
    }

    fn send_chunk(&self, batch: &SendBatch, chunk: &[Outgoing], count: &mut SendCount) {
        let mut names = [EMPTY_NAME; BATCH];
        let mut controls = [Control([0; 64]); BATCH];
        let mut vectors = [EMPTY_VECTOR; BATCH];
        let mut headers = [empty_header(); BATCH];
        for (at, entry) in chunk.iter().enumerate() {
            let contents = batch.contents(entry);
            names[at] = name_of(entry.destination);
            vectors[at] = iovec {
                // The kernel only reads what it sends; the C type has no const form.
                iov_base: contents.as_ptr().cast_mut().cast(),
                iov_len: contents.len(),
            };
            let header = &mut headers[at].msg_hdr;
            header.msg_name = (&raw mut names[at]).cast();
            header.msg_namelen = size_of_socklen::<sockaddr_in>();
            header.msg_iov = &raw mut vectors[at];
            header.msg_iovlen = 1;
            if let Some(source) = entry.source {
                write_source(header, &mut controls[at], source);
            }
        }
        let mut next = 0;
        while next < chunk.len() {
            match self.send_from(&mut headers[next..chunk.len()]) {
                Ok(sent) => {
                    count.sent += sent as u64;
                    next += sent;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The error belongs to the first datagram: skip it, so that one bad destination cannot hold up the others.
                Err(_) => {
                    count.refused += 1;
                    next += 1;
                }
            }
        }
    }

    #[expect(
        unsafe_code,
        reason = "setsockopt has no safe form in std for these options"
    )]
    fn set_option(&self, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
        // SAFETY: the descriptor is open as long as `self`, and the kernel reads exactly one `c_int` from the pointer.
        let result = unsafe {
            libc::setsockopt(
                self.socket.as_raw_fd(),
                level,
                name,
                (&raw const value).cast::<c_void>(),
                size_of_socklen::<c_int>(),
            )
        };
        if result == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }

    #[expect(
        unsafe_code,
        reason = "getsockopt has no safe form in std for these options"
    )]
    fn option(&self, level: c_int, name: c_int) -> io::Result<c_int> {
        let mut value: c_int = 0;
        let mut len = size_of_socklen::<c_int>();
        // SAFETY: the descriptor is open as long as `self`; the kernel writes at most `len` bytes, the size of `value`.
        let result = unsafe {
            libc::getsockopt(
                self.socket.as_raw_fd(),
                level,
                name,
                (&raw mut value).cast::<c_void>(),
                &raw mut len,
            )
        };
        if result == 0 {
            Ok(value)
        } else {
            Err(io::Error::last_os_error())
        }
    }

    /// Datagrams that found its receive buffer full.
    #[expect(
        unsafe_code,
        reason = "getsockopt has no safe form in std for this option"
    )]
    pub(crate) fn dropped(&self) -> Option<u64> {
        let mut counts = [0_u32; MEMINFO_COUNTS];
        let mut len = size_of_socklen::<[u32; MEMINFO_COUNTS]>();
        // SAFETY: the descriptor is open as long as `self`; the kernel writes at most `len` bytes, the size of `counts`.
        let result = unsafe {
            libc::getsockopt(
                self.socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_MEMINFO,
                counts.as_mut_ptr().cast::<c_void>(),
                &raw mut len,
            )
        };
        // An older kernel tells fewer counts.
        let is_whole = result == 0 && len == size_of_socklen::<[u32; MEMINFO_COUNTS]>();
        is_whole.then(|| u64::from(counts[MEMINFO_COUNTS - 1]))
    }

    #[expect(unsafe_code, reason = "recvmmsg has no safe form")]
    fn receive_into(&self, headers: &mut [mmsghdr]) -> io::Result<usize> {
        // SAFETY: every header points at a name, a vector, a buffer and a control area that the only caller, `recv`, keeps alive and
        // does not touch during the call, with their true lengths; the null timeout together with MSG_DONTWAIT never waits.
        let result = unsafe {
            libc::recvmmsg(
                self.socket.as_raw_fd(),
                headers.as_mut_ptr(),
                c_uint::try_from(headers.len()).unwrap_or(0),
                libc::MSG_DONTWAIT as _,
                ptr::null_mut(),
            )
        };
        usize::try_from(result).map_err(|_| io::Error::last_os_error())
    }

    #[expect(unsafe_code, reason = "sendmmsg has no safe form")]
    fn send_from(&self, headers: &mut [mmsghdr]) -> io::Result<usize> {
        // SAFETY: every header points at a name, a vector, contents and possibly a control area that the only caller, `send_chunk`,
        // keeps alive and unchanged during the call, with their true lengths.
        let result = unsafe {
            libc::sendmmsg(
                self.socket.as_raw_fd(),
                headers.as_mut_ptr(),
                c_uint::try_from(headers.len()).unwrap_or(0),
                libc::MSG_DONTWAIT as _,
            )
        };
        usize::try_from(result).map_err(|_| io::Error::last_os_error())
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "AF_INET is 2; libc gives it the wider type"
)]
const FAMILY: libc::sa_family_t = libc::AF_INET as libc::sa_family_t;

const EMPTY_NAME: sockaddr_in = sockaddr_in {
    sin_family: 0,
    sin_port: 0,
    sin_addr: in_addr { s_addr: 0 },
    sin_zero: [0; 8],
};

const EMPTY_VECTOR: iovec = iovec {
    iov_base: ptr::null_mut(),
    iov_len: 0,
};

#[expect(
    unsafe_code,
    reason = "the C struct has padding fields that only zeroing can set on every libc"
)]
fn empty_header() -> mmsghdr {
    // SAFETY: `mmsghdr` is a plain C struct of integers and raw pointers, for which all bytes zero is a valid value.
    unsafe { mem::zeroed() }
}

fn size_of_socklen<T>() -> socklen_t {
    socklen_t::try_from(size_of::<T>()).unwrap_or(0)
}

fn name_of(address: SocketAddrV4) -> sockaddr_in {
    sockaddr_in {
        sin_family: FAMILY,
        sin_port: address.port().to_be(),
        sin_addr: in_addr {
            s_addr: u32::from(*address.ip()).to_be(),
        },
        sin_zero: [0; 8],
    }
}

/// The local address that a received datagram was sent to.
#[expect(unsafe_code, reason = "control messages are walked with the C macros")]
fn arrival_address(header: &msghdr) -> Option<Ipv4Addr> {
    // SAFETY: the kernel filled `msg_control` with `msg_controllen` bytes of well-formed control messages, in a buffer that is alive
    // and aligned; the macros stay within it, and the payload is read unaligned only after its type was checked.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while !message.is_null() {
            if (*message).cmsg_level == libc::IPPROTO_IP && (*message).cmsg_type == libc::IP_PKTINFO
            {
                let arrival = ptr::read_unaligned(libc::CMSG_DATA(message).cast::<in_pktinfo>());
                return Some(Ipv4Addr::from(u32::from_be(arrival.ipi_addr.s_addr)));
            }
            message = libc::CMSG_NXTHDR(header, message);
        }
    }
    None
}

/// Makes the datagram of `header` leave from `source`.
#[expect(unsafe_code, reason = "control messages are written with the C macros")]
fn write_source(header: &mut msghdr, control: &mut Control, source: Ipv4Addr) {
    let choice = in_pktinfo {
        ipi_ifindex: 0,
        ipi_spec_dst: in_addr {
            s_addr: u32::from(source).to_be(),
        },
        ipi_addr: in_addr { s_addr: 0 },
    };
    let len = c_uint::try_from(size_of::<in_pktinfo>()).unwrap_or(0);
    header.msg_control = control.0.as_mut_ptr().cast();
    // SAFETY: the control area is 64 bytes, aligned to 8, and outlives the header's use; CMSG_SPACE of an `in_pktinfo` is 32 bytes, so
    // the first header and its payload lie within it.
    unsafe {
        header.msg_controllen = libc::CMSG_SPACE(len) as _;
        let message: *mut cmsghdr = libc::CMSG_FIRSTHDR(header);
        (*message).cmsg_level = libc::IPPROTO_IP;
        (*message).cmsg_type = libc::IP_PKTINFO;
        (*message).cmsg_len = libc::CMSG_LEN(len) as _;
        ptr::write_unaligned(libc::CMSG_DATA(message).cast::<in_pktinfo>(), choice);
    }
}

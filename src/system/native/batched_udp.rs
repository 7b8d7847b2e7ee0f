//! UDP sockets that send and receive several datagrams in one system call, through quinn-udp: segmentation offload
//! (GSO, GRO), `recvmmsg`, and their counterparts on other systems.

use std::array::from_fn;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};

use mio::net::UdpSocket;
use quinn_udp::{EcnCodepoint, RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use socket2::SockRef;

use crate::system::packet_info::{Ecn, PacketInfo};

/// The length of the longest packet. A buffer of this length holds all datagrams that the kernel has coalesced.
const COALESCED: usize = 65_535;

const MOST_BUFFERS: usize = 8;

#[derive(Debug)]
pub(crate) struct BatchedUdp {
    pub(crate) socket: UdpSocket,
    state: UdpSocketState,
    /// Whether the descriptor may have duplicates, whose holders may clear O_NONBLOCK.
    is_shared: bool,
}

impl BatchedUdp {
    pub(crate) fn new(socket: UdpSocket) -> io::Result<Self> {
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        Ok(Self {
            socket,
            state,
            is_shared: false,
        })
    }

    #[cfg(unix)]
    pub(crate) fn share(&mut self) {
        self.is_shared = true;
    }

    /// Sets O_NONBLOCK if there may be duplicates. A blocking `recvmmsg` would wait until all of its buffers are full.
    pub(crate) fn forbid_blocking(&self) -> io::Result<()> {
        match self.is_shared {
            true => SockRef::from(&self.socket).set_nonblocking(true),
            false => Ok(()),
        }
    }

    /// Calls `each` with the place, length, sender and packet info of each datagram, and with whether the datagram may
    /// be cut. It may be cut if it reaches the end of a buffer that is shorter than the longest packet. The datagrams
    /// that the kernel has coalesced behind a cut one are lost.
    pub(crate) fn receive(
        &self,
        buffer: &mut [u8],
        mut each: impl FnMut(usize, usize, SocketAddr, PacketInfo, bool),
    ) -> io::Result<()> {
        self.forbid_blocking()?;
        let part = match buffer.len() / COALESCED {
            0 => buffer.len(),
            _ => COALESCED,
        };
        let mut slices: [IoSliceMut<'_>; MOST_BUFFERS] = from_fn(|_| IoSliceMut::new(&mut []));
        let mut count = 0;
        for (slice, bytes) in slices.iter_mut().zip(buffer.chunks_exact_mut(part.max(1))) {
            *slice = IoSliceMut::new(bytes);
            count += 1;
        }
        let mut metas = [RecvMeta::default(); MOST_BUFFERS];
        let received = self.state.recv(
            UdpSockRef::from(&self.socket),
            &mut slices[..count],
            &mut metas[..count],
        )?;
        for (place, meta) in metas[..received].iter().enumerate() {
            let begin = place * part;
            let info = PacketInfo {
                local_address: meta.dst_ip,
                ecn: meta.ecn.and_then(|mark| Ecn::from_bits(mark as u8)),
            };
            let mut offset = 0;
            loop {
                let length = meta.stride.min(meta.len - offset);
                let fills_buffer = part < COALESCED && offset + length == part;
                each(begin + offset, length, meta.addr, info, fills_buffer);
                offset += length;
                // An empty datagram has neither length nor stride.
                if offset >= meta.len || length == 0 {
                    break;
                }
            }
        }
        Ok(())
    }

    /// The limit on the datagrams of a [`send_run`](Self::send_run); 1 once the network card has refused to split.
    pub(crate) fn most_segments(&self) -> usize {
        self.state.max_gso_segments().max(1)
    }

    /// Sends `bytes` as datagrams of `segment` bytes each. Only the last one may be shorter.
    pub(crate) fn send_run(
        &self,
        bytes: &[u8],
        segment: usize,
        to: SocketAddr,
        info: PacketInfo,
    ) -> io::Result<()> {
        self.forbid_blocking()?;
        let transmit = Transmit {
            destination: to,
            ecn: info
                .ecn
                .and_then(|mark| EcnCodepoint::from_bits(mark as u8)),
            contents: bytes,
            segment_size: Some(segment),
            src_ip: info.local_address.filter(can_be_source),
        };
        self.state
            .try_send(UdpSockRef::from(&self.socket), &transmit)
    }

    /// Forgets the limits that failed sends have shown. quinn-udp takes EINVAL for a limit of the system. From then on
    /// it sends one datagram a call, and over IPv4 no marks of ECN. There may be no such limit: Linux also returns
    /// EINVAL for an IPv6 source address that the machine does not have.
    pub(crate) fn renew(&mut self) {
        if let Ok(state) = UdpSocketState::new(UdpSockRef::from(&self.socket)) {
            self.state = state;
        }
    }
}

/// Whether an answer can come from `address`, to which a datagram was sent: none comes from a group or a broadcast.
fn can_be_source(address: &IpAddr) -> bool {
    let address = address.to_canonical();
    let is_of_many = match address {
        IpAddr::V4(address) => address.is_multicast() || address.is_broadcast(),
        IpAddr::V6(address) => address.is_multicast(),
    };
    !is_of_many && !address.is_unspecified()
}

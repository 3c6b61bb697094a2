//! Magic packets that reach a simulated lab.

use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

use super::Stations;

/// Longer ones say nothing more.
const LONGEST: usize = 1_024;

/// Wakes whoever a packet means, until told to stop. The socket listens on every address, since packets are sent to a station's own and to
/// broadcasts of the loopback network; whatever comes from elsewhere is not for this lab.
pub(super) async fn listen(socket: &UdpSocket, stations: &Stations, stop: &CancellationToken) {
    let mut packet = [0; LONGEST];
    loop {
        let received = tokio::select! {
            () = stop.cancelled() => return,
            received = socket.recv_from(&mut packet) => received,
        };
        // An error is of one packet (an answer that found nobody); the next may be whole.
        let Ok((length, from)) = received else { continue };
        if !from.ip().is_loopback() {
            continue;
        }
        if let Some(mac) = woken(&packet[..length]) {
            stations.wake(mac);
        }
    }
}

/// The address that a magic packet means: six times FF, and sixteen times the address, anywhere in it; a SecureOn password may follow.
pub fn woken(packet: &[u8]) -> Option<[u8; 6]> {
    packet.windows(102).find_map(|window| {
        let (head, addresses) = window.split_first_chunk::<6>()?;
        let (mac, _) = addresses.split_first_chunk::<6>()?;
        (*head == [0xff; 6] && addresses.chunks(6).all(|one| one == mac)).then_some(*mac)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_means_one_address_or_none() {
        let mac = [0xa4, 0xbb, 0x6d, 1, 2, 3];
        let packet = [[0xff; 6].as_slice(), &mac.repeat(16)].concat();
        for (shows, packet, found) in [
            ("a magic packet", packet.clone(), Some(mac)),
            ("with a password", [packet.as_slice(), &[1; 6]].concat(), Some(mac)),
            ("inside of another payload", [&[1, 2, 3], packet.as_slice()].concat(), Some(mac)),
            ("one address short", packet[..96].to_vec(), None),
            ("another head", [&[0xfe], &packet[1..]].concat(), None),
            ("nothing", Vec::new(), None),
        ] {
            assert_eq!(woken(&packet), found, "{shows}");
        }
        let mut mixed = packet;
        mixed[50] ^= 1;
        assert_eq!(woken(&mixed), None);
    }
}

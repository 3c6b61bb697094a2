//! The magic packet.

use super::{MacAddress, SecureOn};

/// Six times `FF`, the address sixteen times, and the password where there is one.
pub fn magic_packet(address: MacAddress, password: Option<&SecureOn>) -> Vec<u8> {
    let mut packet = vec![0xff; 6];
    for _ in 0..16 {
        packet.extend(address.bytes());
    }
    packet.extend(password.map_or(&[][..], SecureOn::bytes));
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_names_the_adapter_sixteen_times() {
        let address = "02:00:00:00:00:07".parse().unwrap();
        let packet = magic_packet(address, None);
        assert_eq!(packet.len(), 102);
        assert_eq!(packet[..6], [0xff; 6]);
        assert!(packet[6..].chunks(6).all(|part| part == [2, 0, 0, 0, 0, 7]));
        let long = magic_packet(address, Some(&"1.2.3.4".parse().unwrap()));
        assert_eq!((&long[..102], &long[102..]), (&packet[..], &[1, 2, 3, 4][..]));
        assert_eq!(magic_packet(address, Some(&"01:02:03:04:05:06".parse().unwrap())).len(), 108);
    }
}

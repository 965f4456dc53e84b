//! Networks of addresses, `10.0.0.0/8` or `2001:db8::/32`, and whether an address is in one. Knows nothing of sockets.

use std::net::IpAddr;

/// A network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    base: u128,
    mask: u128,
    is_v6: bool,
}

/// An address as a number; one of IPv4 that came in IPv6's clothes is one of IPv4.
fn number(address: IpAddr) -> (u128, bool) {
    match address.to_canonical() {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), false),
        IpAddr::V6(v6) => (v6.to_bits(), true),
    }
}

impl Network {
    /// The network in a rule; an address alone is a network of one.
    pub fn compile(text: &str) -> Result<Self, String> {
        let refused =
            || format!("\"{text}\" is no network: write an address with a prefix length, as in 10.0.0.0/8");
        let (address, length) =
            text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
        let (base, is_v6) = number(address.parse().map_err(|_| refused())?);
        let bits: u32 = if is_v6 { 128 } else { 32 };
        let length = match length {
            Some(length) if length.bytes().all(|b| b.is_ascii_digit()) => {
                length.parse().map_err(|_| refused())?
            }
            Some(_) => return Err(refused()),
            None => bits,
        };
        if length > bits {
            return Err(refused());
        }
        let mask = u128::MAX.checked_shl(bits - length).unwrap_or(0);
        Ok(Self { base: base & mask, mask, is_v6 })
    }

    /// Whether the address in `text` is in it.
    pub fn has(&self, address: IpAddr) -> bool {
        let (have, is_v6) = number(address);
        is_v6 == self.is_v6 && have & self.mask == self.base
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_in_their_networks() {
        let check = |network: &str, address: &str, met: bool| {
            assert_eq!(
                Network::compile(network).unwrap().has(address.parse().unwrap()),
                met,
                "{address} in {network}"
            );
        };
        check("10.0.0.0/8", "10.255.0.1", true);
        check("10.0.0.0/8", "11.0.0.1", false);
        check("10.1.2.3/8", "10.9.9.9", true);
        check("0.0.0.0/0", "203.0.113.9", true);
        check("0.0.0.0/0", "2001:db8::1", false);
        check("203.0.113.9", "203.0.113.9", true);
        check("2001:db8::/32", "2001:db8:ffff::1", true);
        check("::/0", "2001:db8::1", true);
        check("10.0.0.0/8", "::ffff:10.0.0.1", true);
        for bad in ["", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/", "10.0.0.0/+8", "::/129", "host"] {
            assert!(Network::compile(bad).is_err(), "{bad}");
        }
    }
}

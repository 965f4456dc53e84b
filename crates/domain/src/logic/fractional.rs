//! Bucketing of `fractional`, generation 3: MurmurHash3 (x86, 32 bits, seed 0) over deterministic CBOR of the bucketing value.
//! Knows nothing of expressions. Frozen: another algorithm would move everybody.

use serde_json::{Number, Value};

/// The sum of weights beyond which flagd refuses a split.
pub(super) const WEIGHT_SUM_MAX: u64 = 2_147_483_647;

/// The hash of a bucketing value.
pub fn hash(value: &Value) -> u32 {
    let mut bytes = Vec::with_capacity(64);
    encode(value, &mut bytes);
    murmur3(&bytes)
}

/// The bucket of a hash in `0..weight_sum`, by multiplication and so without the bias of a remainder.
pub(super) fn bucket(hash: u32, weight_sum: u64) -> u64 {
    (u64::from(hash) * weight_sum) >> 32
}

/// RFC 8949, 4.2.1: shortest heads, shortest exact floats, keys in the order of their encoded bytes. Whole floats are integers first.
fn encode(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(0xf6),
        Value::Bool(false) => out.push(0xf4),
        Value::Bool(true) => out.push(0xf5),
        Value::Number(number) => encode_number(number, out),
        Value::String(text) => encode_text(text, out),
        Value::Array(parts) => {
            head(4, parts.len() as u64, out);
            parts.iter().for_each(|part| encode(part, out));
        }
        Value::Object(members) => {
            head(5, members.len() as u64, out);
            let mut sorted: Vec<_> = members
                .iter()
                .map(|(name, value)| {
                    let mut key = Vec::with_capacity(name.len() + 9);
                    encode_text(name, &mut key);
                    (key, value)
                })
                .collect();
            sorted.sort_by(|(left, _), (right, _)| left.cmp(right));
            for (key, value) in sorted {
                out.extend_from_slice(&key);
                encode(value, out);
            }
        }
    }
}

fn encode_text(text: &str, out: &mut Vec<u8>) {
    head(3, text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

fn head(major: u8, argument: u64, out: &mut Vec<u8>) {
    let major = major << 5;
    match argument {
        0..=23 => out.push(major | argument as u8),
        24..=0xff => out.extend_from_slice(&[major | 24, argument as u8]),
        0x100..=0xffff => {
            out.push(major | 25);
            out.extend_from_slice(&(argument as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            out.push(major | 26);
            out.extend_from_slice(&(argument as u32).to_be_bytes());
        }
        _ => {
            out.push(major | 27);
            out.extend_from_slice(&argument.to_be_bytes());
        }
    }
}

fn encode_integer(integer: i128, out: &mut Vec<u8>) {
    // Both arms fit: callers pass what fits 64 bits with or without a sign.
    if integer < 0 {
        head(1, (-1 - integer) as u64, out);
    } else {
        head(0, integer as u64, out);
    }
}

fn encode_number(number: &Number, out: &mut Vec<u8>) {
    if let Some(integer) = number.as_i64() {
        return encode_integer(integer.into(), out);
    }
    if let Some(integer) = number.as_u64() {
        return encode_integer(integer.into(), out);
    }
    let float = number.as_f64().unwrap_or_default();
    let whole =
        float.fract() == 0.0 && (-9.223_372_036_854_776e18..1.844_674_407_370_955_2e19).contains(&float);
    if whole {
        return encode_integer(float as i128, out);
    }
    let single = float as f32;
    if f64::from(single) != float {
        out.push(0xfb);
        out.extend_from_slice(&float.to_be_bytes());
    } else if let Some(half) = half(single) {
        out.push(0xf9);
        out.extend_from_slice(&half.to_be_bytes());
    } else {
        out.push(0xfa);
        out.extend_from_slice(&single.to_be_bytes());
    }
}

/// The bits of a number as a 16-bit float, where that is exact.
fn half(single: f32) -> Option<u16> {
    let bits = single.to_bits();
    let sign = ((bits >> 16) & 0x8000) as u16;
    let exponent = ((bits >> 23) & 0xff) as i32 - 127;
    let mantissa = bits & 0x007f_ffff;
    match exponent {
        -14..=15 if mantissa & 0x1fff == 0 => {
            Some(sign | (((exponent + 15) as u16) << 10) | (mantissa >> 13) as u16)
        }
        -24..=-15 => {
            let full = mantissa | 0x0080_0000;
            let shift = (13 + (-14 - exponent)) as u32;
            (full & ((1 << shift) - 1) == 0).then_some(sign | (full >> shift) as u16)
        }
        _ => None,
    }
}

fn murmur3(bytes: &[u8]) -> u32 {
    let scramble = |block: u32| block.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let mut chunks = bytes.chunks_exact(4);
    let mut hash = 0_u32;
    for chunk in &mut chunks {
        let block = chunk.iter().rev().fold(0, |block, byte| (block << 8) | u32::from(*byte));
        hash = (hash ^ scramble(block)).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    let tail = chunks.remainder();
    if !tail.is_empty() {
        hash ^= scramble(tail.iter().rev().fold(0, |block, byte| (block << 8) | u32::from(*byte)));
    }
    hash ^= bytes.len() as u32;
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn murmur3_reference() {
        let vectors = [("", 0), ("a", 1_009_084_850), ("abc", 3_017_643_002), ("flag-user", 2_410_693_464)];
        for (text, hash) in vectors {
            assert_eq!(murmur3(text.as_bytes()), hash, "{text}");
        }
    }

    #[test]
    fn typed_values() {
        let vectors = [
            (json!("user1"), "657573657231", 3_686_933_882_u32),
            (json!(123), "187b", 3_334_029_857),
            (json!(1.23), "fb3ff3ae147ae147ae", 2_393_468_550),
            (json!(true), "f5", 836_216_331),
            (json!("123"), "63313233", 3_729_299_010),
            (json!(0), "00", 1_364_076_727),
            (json!(-2.0), "21", 1_919_294_708),
        ];
        for (value, hex, expected) in vectors {
            let mut bytes = Vec::new();
            encode(&value, &mut bytes);
            assert_eq!(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>(), hex, "{value}");
            assert_eq!(hash(&value), expected, "{value}");
        }
        for (key, expected, of_100) in [
            ("user-1", 2_075_284_482, 48),
            ("user-2", 2_196_726_239, 51),
            ("user-3", 2_839_798_235, 66),
            ("jürgen", 4_254_279_151, 99),
            ("日本", 257_657_707, 5),
        ] {
            let hash = hash(&json!(["conf-split", key]));
            assert_eq!((hash, bucket(hash, 100)), (expected, of_100), "{key}");
        }
        assert_eq!(hash(&json!(1.0)), hash(&json!(1)));
    }

    /// RFC 8949, appendix A.
    #[test]
    fn shortest_floats() {
        for (float, hex) in [
            (1.5, "f93e00"),
            (5.960_464_477_539_063e-8, "f90001"),
            (0.000_061_035_156_25, "f90400"),
            (-4.1, "fbc010666666666666"),
            (1.1, "fb3ff199999999999a"),
            (3.402_823_466_385_288_6e38, "fa7f7fffff"),
            (1.0e300, "fb7e37e43c8800759c"),
        ] {
            let mut bytes = Vec::new();
            encode(&json!(float), &mut bytes);
            assert_eq!(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>(), hex, "{float}");
        }
    }
}

//! How Prometheus' own programs write a number: the fewest digits that give the same number back, in exponent form where
//! Go's `strconv` would choose it. Pages are compared byte for byte with those programs, so every digit matters.

/// Largest magnitude up to which every integer is exact in an f64, so that its own digits are also the shortest ones.
const EXACT_INTEGER: f64 = 9_007_199_254_740_992.0;

/// Exponents from here on are written in exponent form.
const FIRST_LARGE_EXPONENT: i32 = 6;

/// Exponents below this are written in exponent form.
const LAST_SMALL_EXPONENT: i32 = -4;

/// Digits of an f64 in the shortest form: 17 at most; of an exact integer: 16.
const MOST_DIGITS: usize = 20;

/// Appends `value` in Prometheus' text form: `0`, `1.5`, `1e+06`, `NaN`, `+Inf`, `-Inf`. Negative zero is written `0`.
pub fn write_number(out: &mut Vec<u8>, value: f64) {
    if value == 0.0 {
        out.push(b'0');
    } else if value.is_nan() {
        out.extend_from_slice(b"NaN");
    } else if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
    } else if value.abs() < EXACT_INTEGER && value.fract() == 0.0 {
        write_integer(out, value);
    } else {
        write_fraction(out, value);
    }
}

/// Not zero, finite, without a fraction, exact.
fn write_integer(out: &mut Vec<u8>, value: f64) {
    #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
    let whole = value as i64;
    let mut buffer = itoa::Buffer::new();
    if value.abs() < 1e6 {
        out.extend_from_slice(buffer.format(whole).as_bytes());
        return;
    }
    if whole < 0 {
        out.push(b'-');
    }
    let digits = buffer.format(whole.unsigned_abs()).as_bytes();
    let exponent = i32::try_from(digits.len()).unwrap_or(0) - 1;
    write_exponent_form(out, trim_zeros(digits), exponent);
}

/// Not zero, finite.
fn write_fraction(out: &mut Vec<u8>, value: f64) {
    if value < 0.0 {
        out.push(b'-');
    }
    let mut buffer = zmij::Buffer::new();
    let (digits, length, exponent) = shortest(buffer.format_finite(value.abs()));
    let digits = trim_zeros(digits.get(..length).unwrap_or_default());
    if (LAST_SMALL_EXPONENT..FIRST_LARGE_EXPONENT).contains(&exponent) {
        write_plain_form(out, digits, exponent);
    } else {
        write_exponent_form(out, digits, exponent);
    }
}

/// Takes a number's usual spelling (`123.45`, `1.2e-7`) apart: its significant digits, how many, and the exponent of the
/// first of them.
fn shortest(spelled: &str) -> ([u8; MOST_DIGITS], usize, i32) {
    let (mantissa, exponent) = spelled.split_once(['e', 'E']).unwrap_or((spelled, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let mut digits = [0; MOST_DIGITS];
    let mut length = 0;
    let mut before_point = 0;
    let mut point_seen = false;
    for byte in mantissa.bytes() {
        if byte == b'.' {
            point_seen = true;
            continue;
        }
        if length == 0 && byte == b'0' {
            before_point -= i32::from(point_seen);
            continue;
        }
        before_point += i32::from(!point_seen);
        if let Some(place) = digits.get_mut(length) {
            *place = byte;
            length += 1;
        }
    }
    (digits, length, exponent + before_point - 1)
}

fn trim_zeros(mut digits: &[u8]) -> &[u8] {
    while let [rest @ .., b'0'] = digits
        && !rest.is_empty()
    {
        digits = rest;
    }
    digits
}

/// `d.ddde+XX`; at least two digits in the exponent.
fn write_exponent_form(out: &mut Vec<u8>, digits: &[u8], exponent: i32) {
    let (first, rest) = digits.split_at(usize::from(!digits.is_empty()));
    out.extend_from_slice(first);
    if !rest.is_empty() {
        out.push(b'.');
        out.extend_from_slice(rest);
    }
    out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
    let size = exponent.unsigned_abs();
    if size < 10 {
        out.push(b'0');
    }
    out.extend_from_slice(itoa::Buffer::new().format(size).as_bytes());
}

/// `123.45`, `0.00012`, `120`.
fn write_plain_form(out: &mut Vec<u8>, digits: &[u8], exponent: i32) {
    let Ok(last_whole) = usize::try_from(exponent) else {
        out.extend_from_slice(b"0.");
        out.extend(std::iter::repeat_n(b'0', exponent.unsigned_abs() as usize - 1));
        out.extend_from_slice(digits);
        return;
    };
    let whole = last_whole + 1;
    let (before, after) = digits.split_at(whole.min(digits.len()));
    out.extend_from_slice(before);
    out.extend(std::iter::repeat_n(b'0', whole - before.len()));
    if !after.is_empty() {
        out.push(b'.');
        out.extend_from_slice(after);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(value: f64) -> String {
        let mut out = Vec::new();
        write_number(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_look_as_go_prints_them() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-1.0, "-1"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (123_456.0, "123456"),
            (999_999.0, "999999"),
            (-999_999.0, "-999999"),
            (1_000_000.0, "1e+06"),
            (-1_000_000.0, "-1e+06"),
            (1_234_567.0, "1.234567e+06"),
            (123_456.789, "123456.789"),
            (1_234_567.891, "1.234567891e+06"),
            (20_971_520.0, "2.097152e+07"),
            (134_217_728.0, "1.34217728e+08"),
            (0.5, "0.5"),
            (-0.25, "-0.25"),
            (10.5, "10.5"),
            (0.0001, "0.0001"),
            (0.00012, "0.00012"),
            (0.00001, "1e-05"),
            (-1.5e-7, "-1.5e-07"),
            (57.291_666_666_666_7, "57.2916666666667"),
            (1e21, "1e+21"),
            (1e100, "1e+100"),
            (1.5e300, "1.5e+300"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (4_503_599_627_370_497.5, "4.503599627370498e+15"),
            (9_007_199_254_740_992.0, "9.007199254740992e+15"),
            (9_007_199_254_740_991.0, "9.007199254740991e+15"),
            (12_345_678_901_234_567_890.0, "1.2345678901234567e+19"),
        ] {
            assert_eq!(written(value), expected);
        }
    }

    proptest! {
        #[test]
        fn every_number_comes_back(bits: u64) {
            let value = f64::from_bits(bits);
            let back: f64 = written(value).parse().unwrap();
            prop_assert!(back.total_cmp(&value).is_eq() || (back.is_nan() && value.is_nan()) || value.abs() == 0.0);
        }

        #[test]
        fn no_digit_is_spare(value in -1e9..1e9_f64) {
            let text = written(value);
            let digits = |s: &str| s.split('e').next().unwrap().bytes().filter(u8::is_ascii_digit).count();
            // The standard library prints the shortest digits too, only never in exponent form.
            prop_assert!(digits(&text) <= digits(&format!("{value}")), "{text}");
        }
    }
}

//! The support code: what a customer reads out and a technician types.
//!
//! Twelve digits: 4 routing, 7 secret, 1 check. The relay allots the routing digits and finds the device by
//! them; the secret is made by the agent and never leaves the two endpoints, which prove to each other that
//! they know it (see `pake`). The check digit covers all others (Damm's quasigroup, which catches every single
//! wrong digit and every swap of neighbours), so a slip of the tongue is noticed before it costs a guess.
//! How people hand a code over, and what they get wrong, is [`pasted`]'s business.

mod pasted;

use core::fmt;
use core::time::Duration;

use rand_core::CryptoRngCore;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

pub use self::pasted::PastedText;

/// How long a code is good.
pub const LIFETIME: Duration = Duration::from_secs(600);
/// Number of digits that a code has.
pub const DIGITS: usize = 12;
/// Number of different routing numbers, and so of the codes that can be open at one relay at once.
pub const ROUTINGS: u16 = 10_000;
/// Number of different secrets.
const SECRETS: u32 = 10_000_000;

/// Damm's totally anti-symmetric quasigroup of order 10 (H. M. Damm, 2004).
const DAMM: [[u8; 10]; 10] = [
    [0, 3, 1, 7, 5, 9, 8, 6, 4, 2],
    [7, 0, 9, 2, 1, 5, 4, 8, 6, 3],
    [4, 2, 0, 6, 8, 7, 1, 3, 5, 9],
    [1, 7, 5, 0, 9, 8, 3, 4, 2, 6],
    [6, 1, 2, 3, 0, 4, 5, 9, 7, 8],
    [3, 6, 7, 4, 2, 0, 9, 5, 8, 1],
    [5, 8, 6, 9, 7, 2, 0, 1, 3, 4],
    [8, 9, 4, 5, 3, 6, 2, 0, 1, 7],
    [9, 4, 3, 8, 6, 1, 7, 2, 0, 5],
    [2, 5, 8, 1, 4, 3, 6, 7, 9, 0],
];

/// The four digits that the relay allots and routes by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct RoutingDigits(u16);

impl RoutingDigits {
    /// The routing number, if it has at most four digits.
    pub fn new(number: u16) -> Option<Self> {
        (number < ROUTINGS).then_some(Self(number))
    }
}

impl TryFrom<u16> for RoutingDigits {
    type Error = &'static str;

    fn try_from(number: u16) -> Result<Self, Self::Error> {
        Self::new(number).ok_or("a routing number has at most four digits")
    }
}

impl From<RoutingDigits> for u16 {
    fn from(routing: RoutingDigits) -> Self {
        routing.0
    }
}

impl fmt::Display for RoutingDigits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}", self.0)
    }
}

impl fmt::Debug for RoutingDigits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Routing({self})")
    }
}

/// A whole code. Doesn't print its secret by `Debug`; [`SupportCode::spoken`] is for the customer's eyes.
#[derive(Clone, PartialEq, Eq)]
pub struct SupportCode {
    routing: RoutingDigits,
    secret: u32,
}

/// Why something typed is no support code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SupportCodeError {
    /// Not twelve digits.
    #[error("a support code has {DIGITS} digits; this has {0}{hint}", hint = dropped_zero(*.0))]
    Length(usize),
    /// Letters among the digits.
    #[error("a support code has only digits: is a letter in it a 0 or a 1?")]
    NotDigits,
    /// A number in a spreadsheet's scientific notation.
    #[error(
        "a spreadsheet has rounded this number, so digits are lost: ask for the code again and keep it as text"
    )]
    Rounded,
    /// Several codes in one text.
    #[error("this text has several support codes: give one of them alone")]
    Several,
    /// The check digit doesn't fit: a digit was misheard or mistyped.
    #[error("one of the digits is wrong: ask for the code again (this did not use it up)")]
    Check,
}

/// A number of nine to eleven digits is what a spreadsheet leaves of a code that begins with zeros.
fn dropped_zero(digits: usize) -> &'static str {
    if (DIGITS - 3..DIGITS).contains(&digits) { " (a spreadsheet may have dropped a leading 0)" } else { "" }
}

impl SupportCode {
    /// A fresh secret behind the routing digits that the relay allotted.
    pub fn generate(routing: RoutingDigits, rng: &mut impl CryptoRngCore) -> Self {
        // Rejection sampling: the same chance for each of the 10^7 secrets.
        let bound = u32::MAX - u32::MAX % SECRETS;
        loop {
            let number = rng.next_u32();
            if number < bound {
                return Self { routing, secret: number % SECRETS };
            }
        }
    }

    /// The code with these ASCII digits, whose last one was checked.
    fn of_digits(digits: &str) -> Option<Self> {
        let (routing, rest) = digits.split_at_checked(4)?;
        let (secret, _) = rest.split_at_checked(7)?;
        Some(Self { routing: RoutingDigits::new(routing.parse().ok()?)?, secret: secret.parse().ok()? })
    }

    /// The digits that the relay may see.
    pub fn routing(&self) -> RoutingDigits {
        self.routing
    }

    /// The digits that only the two endpoints may see, as the password of the proof.
    pub fn secret(&self) -> zeroize::Zeroizing<String> {
        zeroize::Zeroizing::new(format!("{:07}", self.secret))
    }

    /// The code as it is shown and read out: three groups of four.
    pub fn spoken(&self) -> String {
        let digits = format!("{}{:07}", self.routing, self.secret);
        let all = format!("{digits}{}", check_digit(digits.bytes()));
        let (a, rest) = all.split_at(4);
        let (b, c) = rest.split_at(4);
        format!("{a} {b} {c}")
    }
}

/// The digit that makes the whole come out even; `digits` are ASCII digits.
fn check_digit(digits: impl Iterator<Item = u8>) -> u8 {
    digits.fold(0, |interim, digit| {
        let row = DAMM.get(usize::from(interim)).copied().unwrap_or_default();
        row.get(usize::from(digit.saturating_sub(b'0'))).copied().unwrap_or_default()
    })
}

impl fmt::Debug for SupportCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SupportCode({}…)", self.routing)
    }
}

impl Drop for SupportCode {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::OsRng;

    #[test]
    fn what_is_spoken_is_what_is_typed() {
        for n in [0, 7, 9999] {
            let code = SupportCode::generate(RoutingDigits::new(n).unwrap(), &mut OsRng);
            assert_eq!(code.spoken().parse(), Ok(code.clone()));
            assert_eq!(code.spoken().replace(' ', "-").parse(), Ok(code.clone()));
            assert!(!format!("{code:?}").contains(code.secret().as_str()));
        }
        assert!(RoutingDigits::new(10_000).is_none());
    }

    #[test]
    fn every_wrong_digit_and_every_swap_is_noticed() {
        let code = SupportCode::generate(RoutingDigits::new(1234).unwrap(), &mut OsRng);
        let digits: Vec<u8> = code.spoken().bytes().filter(|b| *b != b' ').collect();
        let read = |d: &[u8]| String::from_utf8(d.to_vec()).unwrap().parse::<SupportCode>();
        for i in 0..12 {
            for wrong in b'0'..=b'9' {
                let mut slip = digits.clone();
                slip[i] = wrong;
                assert_eq!(read(&slip).is_ok(), wrong == digits[i]);
            }
            if i < 11 && digits[i] != digits[i + 1] {
                let mut swap = digits.clone();
                swap.swap(i, i + 1);
                assert_eq!(read(&swap), Err(SupportCodeError::Check));
            }
        }
    }

    #[test]
    fn nonsense_gets_its_own_answer() {
        assert_eq!("".parse::<SupportCode>(), Err(SupportCodeError::Length(0)));
        assert_eq!("12345678901a".parse::<SupportCode>(), Err(SupportCodeError::NotDigits));
        assert_eq!("１２３４５６７８９０１２".parse::<SupportCode>(), Err(SupportCodeError::Check));
        assert_eq!("1234 5678 90".parse::<SupportCode>(), Err(SupportCodeError::Length(10)));
    }
}

//! A comparison with a limit, as rules write it: `> 90 %`, `<= 5 GB`.

use core::fmt;

use crate::sensor::SensorUnit;
use crate::units;

/// Which side of the limit counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Comparator {
    /// `>`: the value is above the limit.
    Above,
    /// `>=`: the value is at or above the limit.
    AtLeast,
    /// `<`: the value is below the limit.
    Below,
    /// `<=`: the value is at or below the limit.
    AtMost,
}

impl Comparator {
    /// Towards larger values.
    pub const fn is_up(self) -> bool {
        matches!(self, Self::Above | Self::AtLeast)
    }

    const fn sign(self) -> &'static str {
        match self {
            Self::Above => ">",
            Self::AtLeast => ">=",
            Self::Below => "<",
            Self::AtMost => "<=",
        }
    }

    const fn opposite(self) -> Self {
        match self {
            Self::Above => Self::AtMost,
            Self::AtLeast => Self::Below,
            Self::Below => Self::AtLeast,
            Self::AtMost => Self::Above,
        }
    }
}

/// A side and a limit.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct LimitCondition {
    /// Which side counts.
    pub side: Comparator,
    /// The limit, in the sensor's unit; finite.
    pub limit: f64,
    /// What it is counted in.
    pub unit: SensorUnit,
}

impl LimitCondition {
    /// Reads a condition on values of that unit.
    ///
    /// # Errors
    /// What is wrong with it and what to write instead.
    pub fn parse(text: &str, unit: SensorUnit) -> Result<Self, String> {
        let text = text.trim();
        let signs = [
            (">=", Comparator::AtLeast),
            ("<=", Comparator::AtMost),
            (">", Comparator::Above),
            ("<", Comparator::Below),
        ];
        let found = signs.iter().find_map(|(sign, side)| Some((text.strip_prefix(sign)?, *side)));
        let Some((amount, side)) = found else {
            return Err(format!(
                "{text:?} is no condition: write >, >=, < or <= and a limit, for example \"> {}\"",
                unit.example()
            ));
        };
        Ok(Self { side, limit: amount_of(amount.trim(), unit)?, unit })
    }

    /// Whether it holds for that value.
    pub fn holds(&self, value: f64) -> bool {
        match self.side {
            Comparator::Above => value > self.limit,
            Comparator::AtLeast => value >= self.limit,
            Comparator::Below => value < self.limit,
            Comparator::AtMost => value <= self.limit,
        }
    }

    /// What holds exactly where this doesn't.
    #[must_use]
    pub const fn opposite(self) -> Self {
        Self { side: self.side.opposite(), limit: self.limit, unit: self.unit }
    }
}

impl fmt::Display for LimitCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.side.sign(), show(self.limit, self.unit))
    }
}

/// A value with its unit, for people.
pub fn show(value: f64, unit: SensorUnit) -> String {
    match unit {
        SensorUnit::Bytes => units::show_bytes(value),
        SensorUnit::Seconds => units::show_seconds(value),
        SensorUnit::Count => units::number(value),
        SensorUnit::Percent | SensorUnit::Celsius => format!("{} {}", units::number(value), unit.name()),
    }
}

/// An amount of that unit.
pub(crate) fn amount_of(text: &str, unit: SensorUnit) -> Result<f64, String> {
    let plain = |names: &[&str]| units::split(text).filter(|(_, name)| names.contains(name)).map(|(n, _)| n);
    let amount = match unit {
        SensorUnit::Percent => plain(&["%"]),
        SensorUnit::Celsius => plain(&["°C", "C", "K"]),
        SensorUnit::Count => plain(&[""]),
        SensorUnit::Seconds => units::seconds(text),
        SensorUnit::Bytes => units::bytes(text),
    };
    amount.ok_or_else(|| {
        let kind = match unit {
            SensorUnit::Percent => "percent",
            SensorUnit::Celsius => "degrees",
            SensorUnit::Count => "a number without a unit",
            SensorUnit::Seconds => "a length of time",
            SensorUnit::Bytes => "a size",
        };
        format!("{text:?} doesn't fit: this is {kind}, for example \"{}\"", unit.example())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read_in_the_unit_of_what_they_judge() {
        let full = LimitCondition::parse("> 90 %", SensorUnit::Percent).unwrap();
        assert!(full.holds(90.1) && !full.holds(90.0) && full.opposite().holds(90.0));
        assert_eq!(LimitCondition::parse("<=5GB", SensorUnit::Bytes).unwrap().limit, 5e9);
        assert_eq!(LimitCondition::parse("< 14d", SensorUnit::Seconds).unwrap().to_string(), "< 14 days");
        for (text, unit) in [
            ("90 %", SensorUnit::Percent),
            ("> 90", SensorUnit::Percent),
            ("> 5 %", SensorUnit::Bytes),
            ("> 3 s", SensorUnit::Count),
            ("> nan", SensorUnit::Count),
            ("= 3", SensorUnit::Count),
        ] {
            assert!(LimitCondition::parse(text, unit).is_err(), "{text}");
        }
    }
}

//! Temperatures: hwmon chips, or thermal zones where there are none.
//!
//! Drivers hand on what a chip says, and an input to which nothing is connected says the end of its range, or stands still.
//! Such values are left out here, with their source.

use crate::facts::hardware::TemperatureSensor;
use crate::facts::root::SystemRoot;
use crate::facts::{Fact, MissingFact};

/// Degrees that a sensor in a machine can really have, ends excluded. Chips are specified for -40 to 125 °C at most, and
/// switch off before; the ends are what unconnected inputs say (-40 of asus-ec-sensors, 127 of eight-bit sensors).
const POSSIBLE: core::ops::Range<f64> = -39.9..125.1;

/// Degrees that a limit can have: 0, 127 and 65261.85 (0xffff kelvin) are limits that nobody set.
const POSSIBLE_LIMIT: core::ops::Range<f64> = 30.1..125.1;

/// Reads temperatures of hwmon chips, or of thermal zones where there are none.
pub(super) fn sensors(root: &SystemRoot) -> Fact<Vec<TemperatureSensor>> {
    let mut found = Vec::new();
    let chips = root.names("/sys/class/hwmon");
    for chip in chips.as_deref().unwrap_or_default() {
        hwmon_chip(root, &format!("/sys/class/hwmon/{chip}"), &mut found);
    }
    if found.is_empty() {
        for zone in root.names("/sys/class/thermal").unwrap_or_default() {
            found.extend(zone.starts_with("thermal_zone").then(|| thermal_zone(root, &zone)).flatten());
        }
    }
    if found.is_empty() {
        return Err(MissingFact::Absent("a temperature sensor that says something possible".to_owned()));
    }
    Ok(found)
}

/// Sysfs gives thousandths of a degree.
fn degrees(root: &SystemRoot, path: &str) -> Option<f64> {
    Some(root.number::<f64>(path)? / 1000.0)
}

/// A reading, if it can be one. Exactly 0 is what a chip says that hasn't measured; a room at the freezing point is rare.
fn reading(root: &SystemRoot, path: &str) -> Option<f64> {
    degrees(root, path).filter(|celsius| POSSIBLE.contains(celsius) && *celsius != 0.0)
}

fn limit(root: &SystemRoot, path: &str) -> Option<f64> {
    degrees(root, path).filter(|celsius| POSSIBLE_LIMIT.contains(celsius))
}

fn hwmon_chip(root: &SystemRoot, base: &str, found: &mut Vec<TemperatureSensor>) {
    let chip = root.line(&format!("{base}/name")).unwrap_or_default();
    let numbers: Vec<String> = root
        .names(base)
        .unwrap_or_default()
        .iter()
        .filter_map(|file| Some(file.strip_prefix("temp")?.strip_suffix("_input")?.to_owned()))
        .collect();
    let label = |number: &str| root.line(&format!("{base}/temp{number}_label"));
    // Tctl is for the fan's control and up to 49 °C above the real one, which is Tdie (Documentation/hwmon/k10temp.rst).
    let has_die = numbers.iter().any(|number| label(number).as_deref() == Some("Tdie"));
    for number in &numbers {
        let flag = |file: &str| root.number::<i64>(&format!("{base}/temp{number}_{file}"));
        let label = label(number);
        // The driver's own word that the diode is open or shorted, or that the input is off
        // (Documentation/hwmon/sysfs-interface.rst).
        let is_off = flag("fault").is_some_and(|fault| fault != 0) || flag("enable") == Some(0);
        if is_off || (has_die && label.as_deref() == Some("Tctl")) {
            continue;
        }
        let Some(celsius) = reading(root, &format!("{base}/temp{number}_input")) else { continue };
        let critical = limit(root, &format!("{base}/temp{number}_crit"));
        let label = label.unwrap_or_else(|| number.clone());
        found.push(TemperatureSensor { name: format!("{chip} {label}"), celsius, critical });
    }
}

fn thermal_zone(root: &SystemRoot, zone: &str) -> Option<TemperatureSensor> {
    let base = format!("/sys/class/thermal/{zone}");
    if root.line(&format!("{base}/mode")).as_deref() == Some("disabled") {
        return None;
    }
    let celsius = reading(root, &format!("{base}/temp"))?;
    let critical = (0..10)
        .find(|trip| root.line(&format!("{base}/trip_point_{trip}_type")).as_deref() == Some("critical"))
        .and_then(|trip| limit(root, &format!("{base}/trip_point_{trip}_temp")));
    Some(TemperatureSensor {
        name: root.line(&format!("{base}/type")).unwrap_or_else(|| zone.to_owned()),
        celsius,
        critical,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::root::tree;

    #[test]
    fn temperatures_skip_unconnected_sensors_and_fall_back_to_zones() {
        let (_dir, root) = tree(&[
            ("/sys/class/hwmon/hwmon0/name", "coretemp\n"),
            ("/sys/class/hwmon/hwmon0/temp1_input", "54000\n"),
            ("/sys/class/hwmon/hwmon0/temp1_label", "Package id 0\n"),
            ("/sys/class/hwmon/hwmon0/temp1_crit", "100000\n"),
            ("/sys/class/hwmon/hwmon0/temp2_input", "-273000\n"),
        ]);
        let found = sensors(&root).unwrap();
        assert_eq!(
            found,
            [TemperatureSensor {
                name: "coretemp Package id 0".into(),
                celsius: 54.0,
                critical: Some(100.0)
            }]
        );

        let (_dir, root) = tree(&[
            ("/sys/class/thermal/thermal_zone0/temp", "61000\n"),
            ("/sys/class/thermal/thermal_zone0/type", "cpu-thermal\n"),
            ("/sys/class/thermal/thermal_zone0/trip_point_0_type", "critical\n"),
            ("/sys/class/thermal/thermal_zone0/trip_point_0_temp", "90000\n"),
        ]);
        assert_eq!(sensors(&root).unwrap()[0].critical, Some(90.0));
        let (_dir, root) = tree(&[]);
        assert_eq!(
            sensors(&root),
            Err(MissingFact::Absent("a temperature sensor that says something possible".into()))
        );
    }
    /// The sensors of a chip `it8665` with these files.
    fn chip(files: &[(&str, &str)]) -> Vec<(String, f64, Option<f64>)> {
        let files: Vec<(String, &str)> =
            files.iter().map(|(name, text)| (format!("/sys/class/hwmon/hwmon3/{name}"), *text)).collect();
        let mut all = vec![("/sys/class/hwmon/hwmon3/name", "it8665\n")];
        all.extend(files.iter().map(|(name, text)| (name.as_str(), *text)));
        let (_dir, root) = tree(&all);
        let found = sensors(&root).unwrap_or_default();
        found.into_iter().map(|s| (s.name, s.celsius, s.critical)).collect()
    }

    #[test]
    fn inputs_that_say_the_impossible_are_left_out() {
        for value in [
            "127000", "-128000", "255000", "-127000", "128000", "127750", "0", "-40000", "-62000", "216000",
            "-1000000", "65261850", "nan", "",
        ] {
            assert_eq!(chip(&[("temp2_input", value)]), [], "{value}");
        }
        for (value, celsius) in [("125000", 125.0), ("98000", 98.0), ("-5000", -5.0), ("1000", 1.0)] {
            assert_eq!(chip(&[("temp2_input", value)]), [("it8665 2".to_owned(), celsius, None)], "{value}");
        }
    }

    #[test]
    fn the_drivers_word_counts() {
        assert_eq!(chip(&[("temp1_input", "98000"), ("temp1_fault", "1")]), []);
        assert_eq!(chip(&[("temp1_input", "98000"), ("temp1_enable", "0")]), []);
        assert_eq!(chip(&[("temp1_input", "41000"), ("temp1_fault", "0"), ("temp1_enable", "1")]).len(), 1);
    }

    #[test]
    fn limits_that_nobody_set_are_none() {
        for limit in ["0", "127000", "255000", "65261850", "-273150", "-1000"] {
            let found = chip(&[("temp1_input", "41000"), ("temp1_crit", limit)]);
            assert_eq!(found, [("it8665 1".to_owned(), 41.0, None)], "{limit}");
        }
        assert_eq!(chip(&[("temp1_input", "41000"), ("temp1_crit", "95000")])[0].2, Some(95.0));
    }

    #[test]
    fn the_value_for_the_fan_is_no_temperature() {
        let files = [
            ("temp1_input", "97000"),
            ("temp1_label", "Tctl"),
            ("temp2_input", "70000"),
            ("temp2_label", "Tdie"),
        ];
        assert_eq!(chip(&files), [("it8665 Tdie".to_owned(), 70.0, None)]);
        assert_eq!(chip(&files[..2]).len(), 1, "without the other it is all there is");
    }
}

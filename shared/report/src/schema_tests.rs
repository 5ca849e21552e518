//! Holds `docs/report.schema.json` and the model together, in both directions: what the model writes fits the
//! schema, what the schema allows the model reads, and neither has a field that the other lacks.
//!
//! The test walks the schema itself: the `jsonschema` crate would bring some fifty crates for the dozen keywords
//! that the schema uses. A keyword that the walk does not know fails the test.

use nearhand_proto::message::session::CheckSet;
use serde_json::Value;

use super::model::{Area, ChartKind, FindingStatus, Report, SCHEMA_VERSION};
use super::screenshot::{self, Screenshot, ScreenshotPng};
use super::shareable::ShareableReport;
use super::{parse, sample};

const SCHEMA: &str = include_str!("../../../docs/report.schema.json");

fn schema() -> Value {
    serde_json::from_str(SCHEMA).unwrap()
}

/// The schema that a reference points to.
fn resolved<'s>(root: &'s Value, schema: &'s Value) -> &'s Value {
    match schema["$ref"].as_str() {
        Some(reference) => root.pointer(reference.strip_prefix('#').unwrap()).expect(reference),
        None => schema,
    }
}

fn is_type(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("type {other}"),
    }
}

/// Everything in `value` that does not fit.
fn misfits(root: &Value, schema: &Value, value: &Value, path: &str) -> Vec<String> {
    let schema = resolved(root, schema);
    let mut found = Vec::new();
    for (keyword, rule) in schema.as_object().unwrap() {
        let fits = match keyword.as_str() {
            "const" => value == rule,
            "enum" => rule.as_array().unwrap().contains(value),
            "type" => match rule {
                Value::String(name) => is_type(value, name),
                names => names.as_array().unwrap().iter().any(|name| is_type(value, name.as_str().unwrap())),
            },
            "minimum" => value.as_f64().is_none_or(|number| number >= rule.as_f64().unwrap()),
            "maxItems" => value.as_array().is_none_or(|items| items.len() as u64 <= rule.as_u64().unwrap()),
            "maxProperties" => {
                value.as_object().is_none_or(|fields| fields.len() as u64 <= rule.as_u64().unwrap())
            }
            "format" => rule == "date-time" && value.as_str().is_some_and(|text| text.ends_with('Z')),
            "required" => {
                rule.as_array().unwrap().iter().all(|name| value.get(name.as_str().unwrap()).is_some())
            }
            "items" => {
                for (at, item) in value.as_array().into_iter().flatten().enumerate() {
                    found.extend(misfits(root, rule, item, &format!("{path}/{at}")));
                }
                true
            }
            "properties" | "additionalProperties" => {
                for (name, item) in value.as_object().into_iter().flatten() {
                    let rule = if keyword == "properties" { &rule[name] } else { rule };
                    if rule.is_null() {
                        found.push(format!("{path}/{name} is not in the schema"));
                    } else {
                        found.extend(misfits(root, rule, item, &format!("{path}/{name}")));
                    }
                }
                true
            }
            "$schema" | "$id" | "$defs" | "title" | "description" | "examples" => true,
            other => panic!("the walk does not know {other}"),
        };
        if !fits {
            found.push(format!("{path}: {keyword}"));
        }
    }
    found
}

fn of_sample() -> Value {
    serde_json::to_value(sample::full()).unwrap()
}

#[test]
fn what_the_model_writes_fits_the_schema() {
    let root = schema();
    for report in [sample::full(), sample::older()] {
        let value = serde_json::to_value(report).unwrap();
        assert_eq!(misfits(&root, &root, &value, ""), Vec::<String>::new());
    }
}

/// Every property of every object of the schema is one that the model writes.
fn unwritten(root: &Value, schema: &Value, value: &Value, path: &str) -> Vec<String> {
    let schema = resolved(root, schema);
    let mut found = Vec::new();
    for (name, rule) in schema["properties"].as_object().into_iter().flatten() {
        match value.get(name) {
            Some(item) => found.extend(unwritten(root, rule, item, &format!("{path}/{name}"))),
            None => found.push(format!("{path}/{name}")),
        }
    }
    for item in value.as_array().into_iter().flatten() {
        found.extend(unwritten(root, &schema["items"], item, &format!("{path}/-")));
    }
    found
}

/// A report with what changed since one that differs in every way there is.
fn of_compared() -> Value {
    let (new, mut old) = (sample::full(), sample::older());
    // One of each list in the inventory.
    for (list, of_new) in [(&mut old.software, &new.software), (&mut old.hardware, &new.hardware)] {
        list.clone_from(of_new);
        list.pop_last();
        list.insert("gone".into(), "1".into());
        list.first_entry().unwrap().insert("another".into());
    }
    let picture = ScreenshotPng::of(screenshot::tests::png(640, 480)).unwrap();
    let edition = ShareableReport::new(new, Some(old), None).with_screenshot(Screenshot::Taken(picture));
    serde_json::to_value(edition).unwrap()
}

#[test]
fn a_report_with_a_comparison_fits_the_schema_and_is_read() {
    let root = schema();
    let missing =
        ShareableReport::new(sample::full(), None, None).with_screenshot(Screenshot::missing("denied"));
    let missing = serde_json::to_value(missing).unwrap();
    assert_eq!(misfits(&root, &root, &missing, ""), Vec::<String>::new());
    let value = of_compared();
    assert_eq!(misfits(&root, &root, &value, ""), Vec::<String>::new());
    assert_eq!(parse::parse(&serde_json::to_vec(&value).unwrap()).unwrap(), sample::full());
}

#[test]
fn the_schema_has_no_field_that_the_model_lacks() {
    let root = schema();
    assert_eq!(unwritten(&root, &root, &of_compared(), ""), Vec::<String>::new());
}

/// Calls `visit` with the path of every field of every object.
fn field_paths(value: &Value, path: &str, visit: &mut dyn FnMut(&str, &str)) {
    for (name, item) in value.as_object().into_iter().flatten() {
        visit(path, name);
        field_paths(item, &format!("{path}/{name}"), visit);
    }
    for (at, item) in value.as_array().into_iter().flatten().enumerate() {
        field_paths(item, &format!("{path}/{at}"), visit);
    }
}

#[test]
fn a_field_is_required_by_the_schema_exactly_when_the_model_needs_it() {
    let root = schema();
    let whole = of_sample();
    let mut checked = 0;
    field_paths(&whole, "", &mut |path, name| {
        // One finding and one chart stand for all.
        if path.split('/').any(|part| part.parse::<u32>().is_ok_and(|n| n > 0)) {
            return;
        }
        let mut without = whole.clone();
        without.pointer_mut(path).unwrap().as_object_mut().unwrap().remove(name);
        let fits = misfits(&root, &root, &without, "").is_empty();
        let read = serde_json::from_value::<Report>(without).is_ok();
        assert_eq!(fits, read, "without {path}/{name}: schema {fits}, model {read}");
        checked += 1;
    });
    assert!(checked > 40, "{checked}");
}

#[test]
fn a_value_of_another_kind_is_refused_by_both() {
    let root = schema();
    let whole = of_sample();
    field_paths(&whole, "", &mut |path, name| {
        if path.split('/').any(|part| part.parse::<u32>().is_ok_and(|n| n > 0)) {
            return;
        }
        for wrong in
            [Value::Null, Value::from(-1), Value::from("?"), Value::from(true), Value::Array(vec![7.into()])]
        {
            let mut changed = whole.clone();
            changed.pointer_mut(path).unwrap()[name] = wrong.clone();
            let fits = misfits(&root, &root, &changed, "").is_empty();
            let read = parse::parse(&serde_json::to_vec(&changed).unwrap()).is_ok();
            // The one thing that only the schema asks for: the form of the time.
            if name != "started_at" {
                assert_eq!(fits, read, "{path}/{name} = {wrong}: schema {fits}, model {read}");
            }
        }
    });
}

/// The names of a fieldless enum by asking serde for one that does not exist.
fn variants<T: serde::de::DeserializeOwned>() -> Vec<String> {
    let Err(err) = serde_json::from_value::<T>("?".into()) else { panic!("`?` is a variant") };
    err.to_string().split('`').skip(3).step_by(2).map(str::to_owned).collect()
}

#[test]
fn names_and_bounds_are_the_same_in_both() {
    let root = schema();
    let names = |pointer: &str| -> Vec<String> {
        serde_json::from_value(root.pointer(pointer).expect(pointer)["enum"].clone()).unwrap()
    };
    assert_eq!(names("/$defs/status"), variants::<FindingStatus>());
    assert_eq!(names("/$defs/area"), variants::<Area>());
    assert_eq!(names("/$defs/chart/properties/kind"), variants::<ChartKind>());
    assert_eq!(names("/properties/set"), variants::<CheckSet>());
    for (pointer, value) in [
        ("/properties/schema_version/const", SCHEMA_VERSION as usize),
        ("/properties/findings/maxItems", parse::MAX_FINDINGS),
        ("/properties/charts/maxItems", parse::MAX_CHARTS),
        ("/properties/software/maxProperties", parse::MAX_SOFTWARE),
        ("/properties/hardware/maxProperties", parse::MAX_HARDWARE),
        ("/$defs/finding/properties/evidence/maxItems", parse::MAX_EVIDENCE),
        ("/$defs/chart/properties/points/maxItems", parse::MAX_POINTS),
    ] {
        assert_eq!(root.pointer(pointer).and_then(Value::as_u64), Some(value as u64), "{pointer}");
    }
}

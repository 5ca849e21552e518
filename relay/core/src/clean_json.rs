//! JSON that leaves the relay: what devices and people wrote in it is made safe, in every field.
//!
//! Programs that get it put it into pages, chats and terminals, and not all of them escape.

use nearhand_proto::text;
use serde_json::Value;

/// Longest text, in characters.
const MAX_TEXT: usize = 4000;
/// The field that holds an address for a reader to follow.
const LINK: &str = "article";

/// The same with clean texts. A link stays only if it leads to the web or is a plain word, such as a number in a
/// knowledge base; otherwise it is null.
pub fn cleaned(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text::multi_line(&text, MAX_TEXT)),
        Value::Array(values) => Value::Array(values.into_iter().map(cleaned).collect()),
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(name, value)| {
                    let value = match value {
                        Value::String(text) if name == LINK => link(&text).map_or(Value::Null, Value::from),
                        other => cleaned(other),
                    };
                    (name, value)
                })
                .collect(),
        ),
        other => other,
    }
}

/// The text of a link, if it is harmless wherever it is put.
pub fn link(text: &str) -> Option<&str> {
    let is_word = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b' ' | b'.' | b'_' | b'-' | b'#'))
    };
    text::web_address(text).or_else(|| is_word(text).then_some(text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_are_clean_at_any_depth_and_only_harmless_links_stay() {
        let hostile = "a\u{202e}b\u{1b}[2J\u{7}\u{0}c";
        let value = json!({
            "summary": hostile,
            "what": { "Event": { "instance": hostile, "article": "javascript:alert(1)" } },
            "list": [hostile, 1, null, true],
        });
        let clean = cleaned(value);
        let text = clean.to_string();
        for bad in ['\u{202e}', '\u{1b}', '\u{7}', '\u{0}'] {
            assert!(!text.contains(bad) && !text.contains(&format!("\\u{:04x}", bad as u32)), "{text}");
        }
        assert_eq!(clean["what"]["Event"]["article"], Value::Null);
        assert_eq!(clean["list"][1], 1);
        for good in ["https://kb.example/1?a=b", "http://kb.example", "KB-123", "Article 7"] {
            assert_eq!(link(good), Some(good));
        }
        for bad in [
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            " javascript:alert(1)",
            "java\nscript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "vbscript:x",
            "//evil.example",
            "https://user@evil.example",
            "https://kb.example/\u{202e}x",
            "\\\\evil\\share",
            "",
        ] {
            assert_eq!(link(bad), None, "{bad:?}");
        }
    }
}

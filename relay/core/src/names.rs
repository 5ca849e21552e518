//! When two names look alike to a reader.
//!
//! A guest names itself. The one who reads a list of requests takes `pc-01`, `PC 01` and `рс-01` (with Cyrillic letters) for the same
//! machine; so names are compared by what is left of them without case, spaces and dashes, with letters that look alike made one.
//! Deliberately coarse: a mark too many costs a glance. Must not live here: whose names are compared.

/// What is left of a name when all that readers overlook is taken away.
pub fn folded(name: &str) -> String {
    name.chars().flat_map(char::to_lowercase).filter_map(skeleton).collect()
}

/// The letter or digit that a reader sees; `None` for what is overlooked.
fn skeleton(c: char) -> Option<char> {
    let full_width =
        u32::from(c).checked_sub(0xff01).filter(|n| *n < 94).and_then(|n| char::from_u32(0x21 + n));
    let c = full_width.unwrap_or(c).to_ascii_lowercase();
    Some(match c {
        '0' | 'о' | 'ο' | 'օ' => 'o',
        '1' | 'i' | '|' | 'і' | 'ι' | 'ı' | 'ӏ' | 'ǀ' => 'l',
        'а' | 'α' => 'a',
        'в' => 'b',
        'с' | 'ϲ' => 'c',
        'ԁ' => 'd',
        'е' | 'ё' => 'e',
        'ɡ' => 'g',
        'һ' | 'н' => 'h',
        'ј' => 'j',
        'к' | 'κ' => 'k',
        'м' => 'm',
        'ո' => 'n',
        'р' | 'ρ' => 'p',
        'ԛ' => 'q',
        'ѕ' => 's',
        'т' | 'τ' => 't',
        'υ' | 'ս' => 'u',
        'ѵ' | 'ν' => 'v',
        'ԝ' | 'ω' => 'w',
        'х' | 'χ' => 'x',
        'у' | 'γ' => 'y',
        c if c.is_alphanumeric() => c,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_reader_takes_for_the_same_are_the_same() {
        for like in ["pc-1", "PC 1", "pc_l", "рс-1", "ｐｃ－１", "P.C.1 ", "pc\u{200b}-1"] {
            assert_eq!(folded(like), "pcl", "{like:?}");
        }
        for other in ["pc-2", "pc-11", "pd-1"] {
            assert_ne!(folded(other), "pcl", "{other:?}");
        }
        assert_eq!(folded("- -"), "");
    }
}

//! Which button to press so that the one that was meant arrives. Pure.
//!
//! A left-handed person swaps the buttons of the pointer, somebody else turns the wheel round or switches a button off: X
//! applies that to every pointer, the one that input is injected with too. What the technician means is what arrives, so
//! the way through both tables is gone backwards.

/// Most buttons that X counts.
const MOST: u8 = 255;

/// What the display makes of the buttons of the injecting pointer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct ButtonMap {
    /// By that pointer's own table: the button that number 1 becomes, number 2 and so on; 0: none. Empty: all stay.
    pub device: Vec<u8>,
    /// By the table of all pointers, which comes after it.
    pub shared: Vec<u8>,
}

impl ButtonMap {
    /// The button to press so that `meant` arrives; `None` if none becomes it.
    pub(crate) fn press_for(&self, meant: u8) -> Option<u8> {
        before(&self.device, before(&self.shared, meant)?)
    }
}

/// The button that a table makes that one of: the button itself where it can.
fn before(table: &[u8], button: u8) -> Option<u8> {
    let becomes = |from: u8| usize::from(from).checked_sub(1).and_then(|at| table.get(at)).copied();
    if table.is_empty() || becomes(button) == Some(button) {
        return Some(button);
    }
    (1..=MOST).find(|from| becomes(*from) == Some(button))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presses(device: &[u8], shared: &[u8]) -> Vec<Option<u8>> {
        let map = ButtonMap { device: device.to_vec(), shared: shared.to_vec() };
        (1..=5).map(|button| map.press_for(button)).collect()
    }

    #[test]
    fn what_is_meant_arrives() {
        let all = |buttons: [u8; 5]| buttons.map(Some).to_vec();
        assert_eq!(presses(&[], &[]), all([1, 2, 3, 4, 5]));
        assert_eq!(presses(&[], &[1, 2, 3, 4, 5, 6, 7]), all([1, 2, 3, 4, 5]));
        assert_eq!(presses(&[], &[3, 2, 1, 4, 5]), all([3, 2, 1, 4, 5]), "left-handed");
        assert_eq!(presses(&[], &[1, 2, 3, 5, 4]), all([1, 2, 3, 5, 4]), "the wheel turned round");
        assert_eq!(presses(&[], &[2, 3, 1, 4, 5]), all([3, 1, 2, 4, 5]), "turned on");
        assert_eq!(presses(&[3, 2, 1, 4, 5], &[3, 2, 1, 4, 5]), all([1, 2, 3, 4, 5]), "twice");
        assert_eq!(presses(&[2, 1, 3, 4, 5], &[1, 3, 2, 4, 5]), all([2, 3, 1, 4, 5]), "one after the other");
    }

    #[test]
    fn a_button_that_is_switched_off_is_known() {
        assert_eq!(presses(&[], &[1, 0, 3, 4, 5]), [Some(1), None, Some(3), Some(4), Some(5)]);
        assert_eq!(presses(&[1, 2, 3], &[]), [Some(1), Some(2), Some(3), None, None], "too few");
        // Two become the same: the one that always was it.
        assert_eq!(presses(&[], &[1, 1, 3, 4, 5])[..2], [Some(1), None]);
    }
}

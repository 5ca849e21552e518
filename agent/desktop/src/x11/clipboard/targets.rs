//! Atoms and the targets that they stand for.

use x11rb::protocol::xproto::Atom;

use super::super::connection::Atoms;
use crate::clipboard_target::ContentTarget;

/// The atom to ask for a target, and to answer with as a type.
pub(super) fn atom_of(atoms: &Atoms, target: ContentTarget) -> Atom {
    match target {
        ContentTarget::Utf8String => atoms.UTF8_STRING,
        ContentTarget::PlainUtf8 => atoms.PLAIN_UTF8,
        ContentTarget::Plain => atoms.PLAIN,
        ContentTarget::CompoundText => atoms.COMPOUND_TEXT,
        ContentTarget::String => atoms.STRING,
        ContentTarget::Text => atoms.TEXT,
        ContentTarget::Png => atoms.PNG,
    }
}

/// The target that an atom of ours stands for.
pub(super) fn target_of(atoms: &Atoms, atom: Atom) -> Option<ContentTarget> {
    ContentTarget::ALL.into_iter().find(|target| atom_of(atoms, *target) == atom)
}

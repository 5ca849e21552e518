//! The discrete cosine transform of a block, after Arai, Agui and Nakajima: its last multiplications are part of the
//! quantisation.
#![allow(
    clippy::indexing_slicing,
    reason = "arrays of eight and 64 whose indices are those of `from_fn` or constants"
)]

/// Eight rows of eight.
pub(super) type DctBlock = [f32; 64];

/// The block at that place of a plane.
#[inline]
pub(super) fn forward(plane: &[f32], stride: usize, left: usize, top: usize) -> DctBlock {
    let mut rows = [[0.0_f32; 8]; 8];
    for (row, line) in rows.iter_mut().zip(top..) {
        let start = line * stride + left;
        if let Some(values) = plane.get(start..start + 8) {
            row.copy_from_slice(values);
        }
    }
    // Columns first, which is eight at once; then the other way round.
    let rows = transpose(&eight(&rows));
    let rows = transpose(&eight(&rows));
    let mut block = [0.0; 64];
    for (to, row) in block.chunks_exact_mut(8).zip(&rows) {
        to.copy_from_slice(row);
    }
    block
}

#[inline(always)]
fn transpose(rows: &[[f32; 8]; 8]) -> [[f32; 8]; 8] {
    core::array::from_fn(|y| core::array::from_fn(|x| rows[x][y]))
}

#[inline(always)]
fn zip(a: &[f32; 8], b: &[f32; 8], f: impl Fn(f32, f32) -> f32) -> [f32; 8] {
    core::array::from_fn(|i| f(a[i], b[i]))
}

#[inline(always)]
fn times(a: &[f32; 8], factor: f32) -> [f32; 8] {
    core::array::from_fn(|i| a[i] * factor)
}

/// Transforms each of the eight columns.
#[inline(always)]
fn eight(d: &[[f32; 8]; 8]) -> [[f32; 8]; 8] {
    let add = |a: &[f32; 8], b: &[f32; 8]| zip(a, b, |a, b| a + b);
    let sub = |a: &[f32; 8], b: &[f32; 8]| zip(a, b, |a, b| a - b);
    let (s0, d0) = (add(&d[0], &d[7]), sub(&d[0], &d[7]));
    let (s1, d1) = (add(&d[1], &d[6]), sub(&d[1], &d[6]));
    let (s2, d2) = (add(&d[2], &d[5]), sub(&d[2], &d[5]));
    let (s3, d3) = (add(&d[3], &d[4]), sub(&d[3], &d[4]));
    // Even half.
    let (e0, e3) = (add(&s0, &s3), sub(&s0, &s3));
    let (e1, e2) = (add(&s1, &s2), sub(&s1, &s2));
    let z1 = times(&add(&e2, &e3), core::f32::consts::FRAC_1_SQRT_2);
    // Odd half.
    let o0 = add(&d3, &d2);
    let o1 = add(&d2, &d1);
    let o2 = add(&d1, &d0);
    let z5 = times(&sub(&o0, &o2), 0.382_683_43);
    let z2 = add(&times(&o0, 0.541_196_1), &z5);
    let z4 = add(&times(&o2, 1.306_563), &z5);
    let z3 = times(&o1, core::f32::consts::FRAC_1_SQRT_2);
    let (z11, z13) = (add(&d0, &z3), sub(&d0, &z3));
    [
        add(&e0, &e1),
        add(&z11, &z4),
        add(&e3, &z1),
        sub(&z13, &z2),
        sub(&e0, &e1),
        add(&z13, &z2),
        sub(&e3, &z1),
        sub(&z11, &z4),
    ]
}

/// What the transform's results are multiplied by: quantisation, and the factors that the transform left out.
pub(super) fn divisors(table: &[u8; 64]) -> [f32; 64] {
    const FACTORS: [f32; 8] =
        [1.0, 1.387_039_8, 1.306_563, 1.175_875_6, 1.0, 0.785_694_96, 0.541_196_1, 0.275_899_38];
    core::array::from_fn(|i| 1.0 / (f32::from(table[i]) * FACTORS[i / 8] * FACTORS[i % 8] * 8.0))
}

//! What programs use, from outside, and how it grows: a line of least squares through the samples behind the warm-up.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};

/// A kind of program; those of one kind are judged together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum ProgramKind {
    Relay,
    Agent,
    AgentWithADisplay,
    Client,
}

impl ProgramKind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Relay => "relay",
            Self::Agent => "agent, mean of all",
            Self::AgentWithADisplay => "agent with a display",
            Self::Client => "client in a chat, mean",
        }
    }
}

/// What a program uses at one moment.
#[derive(Clone, Copy, Default, Debug)]
struct ProgramUsage {
    /// Seconds since it began.
    at: f64,
    /// Resident memory, in bytes.
    memory: f64,
    files: f64,
    threads: f64,
}

/// Growth a minute.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct GrowthRate {
    /// Memory, in bytes.
    pub(super) memory: f64,
    pub(super) files: f64,
    pub(super) threads: f64,
}

/// What all programs used, sample by sample.
pub(super) struct UsageWatch {
    programs: Vec<(ProgramKind, i32)>,
    samples: BTreeMap<i32, Vec<ProgramUsage>>,
    gone: Vec<i32>,
}

impl UsageWatch {
    pub(super) fn of(programs: &[(ProgramKind, i32)]) -> Self {
        Self { programs: programs.to_vec(), samples: BTreeMap::new(), gone: Vec::new() }
    }

    /// Looks at all of them.
    pub(super) fn look(&mut self, since: Duration) -> Result<()> {
        for (_, pid) in &self.programs {
            match used(*pid) {
                Ok(used) => {
                    self.samples
                        .entry(*pid)
                        .or_default()
                        .push(ProgramUsage { at: since.as_secs_f64(), ..used });
                }
                Err(_) if !self.gone.contains(pid) => self.gone.push(*pid),
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// How many of them are gone.
    pub(super) fn gone(&self) -> usize {
        self.gone.len()
    }

    /// How many samples each has.
    pub(super) fn samples(&self) -> usize {
        self.samples.values().map(Vec::len).min().unwrap_or_default()
    }

    /// The mean growth of those of a kind, behind the warm-up.
    pub(super) fn growth(&self, kind: ProgramKind, warm_up: Duration) -> GrowthRate {
        let of_kind = self.of_kind(kind);
        let mean = |value: fn(&ProgramUsage) -> f64| -> f64 {
            let slopes: Vec<f64> = of_kind
                .iter()
                .map(|samples| {
                    let counted = samples.iter().filter(|used| used.at >= warm_up.as_secs_f64());
                    slope(&counted.map(|used| (used.at / 60.0, value(used))).collect::<Vec<_>>())
                })
                .collect();
            slopes.iter().sum::<f64>() / number(slopes.len())
        };
        GrowthRate {
            memory: mean(|used| used.memory),
            files: mean(|used| used.files),
            threads: mean(|used| used.threads),
        }
    }

    /// The mean of what those of a kind had last, in bytes.
    pub(super) fn last_memory(&self, kind: ProgramKind) -> f64 {
        let last: Vec<f64> =
            self.of_kind(kind).iter().filter_map(|samples| samples.last()).map(|used| used.memory).collect();
        last.iter().sum::<f64>() / number(last.len())
    }

    fn of_kind(&self, kind: ProgramKind) -> Vec<&Vec<ProgramUsage>> {
        let pids = self.programs.iter().filter(|(of, _)| *of == kind).map(|(_, pid)| pid);
        pids.filter_map(|pid| self.samples.get(pid)).collect()
    }
}

fn number(count: usize) -> f64 {
    u32::try_from(count.max(1)).unwrap_or(u32::MAX).into()
}

/// Growth for each step of x of the line with the least squared distance (ordinary least squares); 0 for fewer than two.
fn slope(points: &[(f64, f64)]) -> f64 {
    let n = number(points.len());
    let (mean_x, mean_y) =
        (points.iter().map(|(x, _)| x).sum::<f64>() / n, points.iter().map(|(_, y)| y).sum::<f64>() / n);
    let across: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let along: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    if along > 0.0 { across / along } else { 0.0 }
}

fn used(pid: i32) -> Result<ProgramUsage> {
    let memory = crate::light_agents::memory(u32::try_from(pid)?)?.resident;
    let files = std::fs::read_dir(format!("/proc/{pid}/fd"))?.count();
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).context("it is gone")?.count();
    Ok(ProgramUsage { at: 0.0, memory, files: number(files), threads: number(threads) })
}

/// The first lines of a kind, for a person who wants to know why.
#[allow(clippy::print_stderr, reason = "a benchmark's output")]
pub(super) fn say(what: &str, lines: &[String]) {
    for line in lines.iter().take(10) {
        eprintln!("{what}: {line}");
    }
}

#[cfg(test)]
mod tests {
    use super::slope;

    #[test]
    fn a_line_is_found_through_noise_and_nothing_through_nothing() {
        let points: Vec<(f64, f64)> = (0..100)
            .map(|n| (f64::from(n), 3.0 * f64::from(n) + if n % 2 == 0 { 5.0 } else { -5.0 }))
            .collect();
        assert!((slope(&points) - 3.0).abs() < 0.01, "{}", slope(&points));
        assert_eq!((slope(&[]), slope(&[(1.0, 7.0)])), (0.0, 0.0));
        assert_eq!(slope(&[(0.0, 7.0), (1.0, 7.0), (2.0, 7.0)]), 0.0);
    }
}

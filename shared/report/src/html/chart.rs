//! Charts as inline SVG that stretches with the page; their labels are HTML next to it, so that text keeps its
//! size and can be read aloud. Must not live here: where charts stand on the page.

use super::markup::HtmlMarkup;
use crate::model::{Chart, ChartKind, ChartPoint};
use crate::view::number;

/// Size of a line chart's drawing in its own units; the page stretches it.
const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 150.0;
/// Ends of a scale, times a power of ten, that a person reads easily.
const ROUND: [f64; 10] = [1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0];

/// A chart with its heading.
pub(super) fn chart(out: &mut HtmlMarkup, chart: &Chart) {
    out.raw("<figure class=\"card chart\"><figcaption><bdi>").text(&chart.title).raw("</bdi>");
    if !chart.unit.is_empty() {
        out.raw(" <small>in <bdi>").text(&chart.unit).raw("</bdi></small>");
    }
    out.raw("</figcaption>");
    match chart.kind {
        ChartKind::Line if chart.points.len() > 1 => line(out, chart),
        ChartKind::Line | ChartKind::Bars => bars(out, chart),
    }
    out.raw("</figure>");
}

fn bars(out: &mut HtmlMarkup, chart: &Chart) {
    let longest = chart.points.iter().map(|p| p.value).fold(0.0, f64::max);
    out.raw("<ul class=\"bars\">");
    for point in &chart.points {
        let full = point.limit.filter(|limit| *limit > 0.0);
        let share = (point.value / full.unwrap_or(longest)).clamp(0.0, 1.0);
        out.raw("<li><div class=\"bar-head\"><bdi>").text(&point.label).raw("</bdi><span><b>");
        out.text(&number(point.value)).raw("</b>");
        if let Some(full) = full {
            out.raw(" of ").text(&number(full));
        }
        out.raw(" ").text(&chart.unit);
        if full.is_some() && chart.unit != "%" {
            out.raw(" · <b>").text(&number((share * 100.0).round())).raw(" %</b>");
        }
        out.raw("</span></div><svg class=\"meter\" viewBox=\"0 0 100 1\" preserveAspectRatio=\"none\" aria-hidden=\"true\">");
        out.raw("<rect height=\"1\" width=\"").coord(share * 100.0).raw("\"/></svg></li>");
    }
    out.raw("</ul>");
}

/// The vertical scale of a line chart.
struct ChartScale {
    low: f64,
    high: f64,
}

impl ChartScale {
    fn of(points: &[ChartPoint]) -> Self {
        let values = || points.iter().flat_map(|p| [Some(p.value), p.limit]).flatten();
        let high = round_up(values().fold(0.0, f64::max));
        let low = -round_up(-values().fold(0.0, f64::min));
        Self { low, high: if high > low { high } else { low + 1.0 } }
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0) * HEIGHT
    }
}

/// The next round number above; 0 and what is too large to have one stay.
fn round_up(value: f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    let ends = ROUND.iter().map(|end| end * power).chain([10.0 * power]);
    ends.filter(|end| end.is_finite()).find(|end| *end >= value).unwrap_or(value)
}

fn line(out: &mut HtmlMarkup, chart: &Chart) {
    let scale = ChartScale::of(&chart.points);
    let has_limit = chart.points.iter().any(|p| p.limit.is_some());
    out.raw("<div class=\"plot\"><div class=\"scale\" aria-hidden=\"true\">");
    for at in [scale.high, f64::midpoint(scale.high, scale.low), scale.low] {
        out.raw("<span>").text(&number(at)).raw("</span>");
    }
    out.raw("</div><svg viewBox=\"0 0 600 150\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"");
    out.text(&summary(chart)).raw("\"><path class=\"grid\" d=\"M0 0H600M0 75H600M0 150H600\"/>");
    out.raw("<polygon class=\"under\" points=\"0,").coord(scale.y(0.0)).raw(" ");
    coordinates(out, &chart.points, &scale, |p| Some(p.value));
    out.coord(WIDTH).raw(",").coord(scale.y(0.0)).raw("\"/>");
    if has_limit {
        out.raw("<polyline class=\"limit\" points=\"");
        coordinates(out, &chart.points, &scale, |p| p.limit);
        out.raw("\"/>");
    }
    out.raw("<polyline class=\"curve\" points=\"");
    coordinates(out, &chart.points, &scale, |p| Some(p.value));
    out.raw("\"/></svg><div class=\"along\">");
    let middle = chart.points.get(chart.points.len() / 2);
    for point in [chart.points.first(), middle, chart.points.last()].into_iter().flatten() {
        out.raw("<bdi>").text(&point.label).raw("</bdi>");
    }
    out.raw("</div></div><div class=\"legend\"><span>").text(&summary(chart)).raw("</span>");
    if has_limit {
        let highest = chart.points.iter().filter_map(|p| p.limit).fold(f64::NEG_INFINITY, f64::max);
        out.raw("<span><svg viewBox=\"0 0 24 8\" aria-hidden=\"true\"><path class=\"limit\" d=\"M0 4H24\"/></svg>Limit ");
        out.text(&number(highest)).raw(" ").text(&chart.unit).raw("</span>");
    }
    out.raw("</div>");
}

fn coordinates(
    out: &mut HtmlMarkup,
    points: &[ChartPoint],
    scale: &ChartScale,
    value: impl Fn(&ChartPoint) -> Option<f64>,
) {
    let mut x = 0.0;
    let steps = points.iter().skip(1).fold(0.0, |n, _| n + 1.0);
    for point in points {
        if let Some(value) = value(point) {
            out.coord(x / f64::max(steps, 1.0) * WIDTH).raw(",").coord(scale.y(value)).raw(" ");
        }
        x += 1.0;
    }
}

/// What the line shows, in words.
fn summary(chart: &Chart) -> String {
    let values = || chart.points.iter().map(|p| p.value);
    format!(
        "Lowest {}, highest {}, last {} {}",
        number(values().fold(f64::INFINITY, f64::min)),
        number(values().fold(f64::NEG_INFINITY, f64::max)),
        number(values().next_back().unwrap_or(0.0)),
        chart.unit
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_end_at_round_numbers() {
        for (value, end) in
            [(212.0, 250.0), (1.0, 1.0), (99.0, 100.0), (0.013, 0.015), (0.0, 0.0), (1e308, 1e308)]
        {
            assert!((round_up(value) - end).abs() <= end * 1e-9, "{value}: {}", round_up(value));
        }
    }
}

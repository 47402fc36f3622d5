//! Cost per delivery against the number of hearers, as SVG: both axes logarithmic.

use std::fmt::Write;

use super::Report;
use crate::stats::median;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 440.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 130.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 50.0;

/// The sizes that are drawn.
const SIZES: [(&str, f64); 4] = [("N10", 1e1), ("N100", 1e2), ("N1000", 1e3), ("N10000", 1e4)];
/// Microseconds at the lower and the upper edge.
const COSTS: (f64, f64) = (1.0, 100.0);
/// Readable by the colour-blind (Okabe and Ito, 2008).
const COLOURS: [&str; 8] = [
    "#0072B2", "#000000", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999999",
];

/// Draws it.
pub fn plot(report: &Report) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"22\" font-size=\"14\">Server CPU per delivery (µs) by the number of hearers, \
         50,000 deliveries/s</text>\n"
    );
    axes(&mut svg);
    let names = report.servers.iter().map(|server| server.name.as_str());
    let mut drawn = 0;
    for name in names {
        let point = |(workload, size): &(&str, f64)| {
            let values = report.values(workload, name, |figures| figures.cpu_us_per_delivery);
            let values: Vec<f64> = values.into_iter().map(|(_, value)| value).collect();
            (!values.is_empty()).then(|| (x(*size), y(median(&values)), median(&values)))
        };
        let points: Vec<(f64, f64, f64)> = SIZES.iter().filter_map(point).collect();
        if points.len() < 2 {
            continue;
        }
        line(&mut svg, name, COLOURS[drawn % COLOURS.len()], &points);
        drawn += 1;
    }
    svg.push_str("</svg>\n");
    svg
}

fn line(svg: &mut String, name: &str, colour: &str, points: &[(f64, f64, f64)]) {
    let path: Vec<String> = points
        .iter()
        .map(|(x, y, _)| format!("{x:.1},{y:.1}"))
        .collect();
    let _ = writeln!(
        svg,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
        path.join(" ")
    );
    for (x, y, cost) in points {
        let _ = writeln!(
            svg,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"><title>{name}: {cost:.2} µs</title></circle>"
        );
    }
    if let Some((x, y, cost)) = points.last() {
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"{colour}\">{name} {cost:.1}</text>",
            x + 8.0,
            y + 4.0
        );
    }
}

fn axes(svg: &mut String) {
    for (_, size) in SIZES {
        let at = x(size);
        let _ = writeln!(
            svg,
            "<line x1=\"{at:.1}\" y1=\"{TOP}\" x2=\"{at:.1}\" y2=\"{0}\" stroke=\"#ddd\"/>\
             <text x=\"{at:.1}\" y=\"{1}\" text-anchor=\"middle\">{size}</text>",
            HEIGHT - BOTTOM,
            HEIGHT - BOTTOM + 18.0
        );
    }
    for cost in [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0] {
        let at = y(cost);
        let _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{0}\" y2=\"{at:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{1}\" y=\"{2:.1}\" text-anchor=\"end\">{cost}</text>",
            WIDTH - RIGHT,
            LEFT - 8.0,
            at + 4.0
        );
    }
}

fn x(size: f64) -> f64 {
    LEFT + (size.log10() - 1.0) / 3.0 * (WIDTH - LEFT - RIGHT)
}

fn y(cost: f64) -> f64 {
    let (low, high) = (COSTS.0.log10(), COSTS.1.log10());
    let share = ((cost.log10() - low) / (high - low)).clamp(0.0, 1.0);
    HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
}

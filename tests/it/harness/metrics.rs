//! One scrape.

use std::collections::BTreeMap;

use super::daemon::Daemon;
use super::http::Answer;
use super::patience::until;

/// Every series of one scrape, by its text (`chatd_gaps_total{reason="slow_consumer"}`).
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    series: BTreeMap<String, f64>,
}

impl Metrics {
    /// Reads the text format.
    pub(crate) fn parse(text: &str) -> Self {
        let samples = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let series = samples.map(|line| {
            let (series, value) = line.rsplit_once(' ').expect("a series and a value");
            (
                series.to_owned(),
                value
                    .parse()
                    .unwrap_or_else(|_| panic!("no number: {line}")),
            )
        });
        Self {
            series: series.collect(),
        }
    }

    /// The one series with this name and all of these labels (`reason="kicked"`).
    pub(crate) fn value(&self, name: &str, labels: &[&str]) -> f64 {
        let matching: Vec<f64> = self
            .matching(name, labels)
            .map(|(_, value)| value)
            .collect();
        assert_eq!(
            matching.len(),
            1,
            "{name} {labels:?} among {:?}",
            self.names()
        );
        matching[0]
    }

    /// The series with exactly this text.
    pub(crate) fn exactly(&self, series: &str) -> f64 {
        let found = self.series.get(series);
        *found.unwrap_or_else(|| panic!("no {series} among {:?}", self.names()))
    }

    /// The sum over every series with this name and all of these labels.
    pub(crate) fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        let matching: Vec<f64> = self
            .matching(name, labels)
            .map(|(_, value)| value)
            .collect();
        assert!(
            !matching.is_empty(),
            "no {name} {labels:?} among {:?}",
            self.names()
        );
        matching.iter().sum()
    }

    /// Every series, by its text.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.series.keys().map(String::as_str).collect()
    }

    fn matching<'a>(
        &'a self,
        name: &'a str,
        labels: &'a [&str],
    ) -> impl Iterator<Item = (&'a str, f64)> {
        self.series.iter().filter_map(move |(series, value)| {
            let (found, rest) = series.split_once('{').unwrap_or((series, ""));
            let fits = found == name && labels.iter().all(|label| rest.contains(label));
            fits.then_some((series.as_str(), *value))
        })
    }
}

impl Daemon {
    /// Scrapes `/metrics`.
    pub(crate) async fn metrics(&self) -> Metrics {
        let answer = Answer::get(self.metrics_address(), "/metrics", "127.0.0.1").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        Metrics::parse(&answer.body)
    }

    /// Waits until a counter has this value: it is summed when scraped, so it may come a moment late.
    pub(crate) async fn counts(&self, name: &str, labels: &[&str], value: f64) {
        let last = std::cell::Cell::new(f64::NAN);
        let what = format!("{name} {labels:?} is {value}");
        until(&what, async || {
            last.set(self.metrics().await.sum(name, labels));
            (last.get() == value).then_some(())
        })
        .await;
    }
}

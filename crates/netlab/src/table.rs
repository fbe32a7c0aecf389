//! The comparison as a page of Markdown.

use std::fmt::Write as _;

use crate::run::Contender;
use crate::scenarios::Scenario;
use crate::score::{Figures, score};

/// The results of one scenario, in the order of [`Contender::ALL`].
pub struct Row {
    /// Which one.
    pub scenario: Scenario,
    /// Who took part, with their figures.
    pub figures: Vec<(Contender, Figures)>,
}

/// The share of the better competitor's score that ours must reach.
const SCORE_LEAST: f64 = 0.97;
/// Utilisation asked for on a steady line.
const UTILISATION_LEAST: f64 = 0.85;
/// Queue allowed 3 s after a step down.
const QUEUE_MOST_MS: f64 = 100.0;
/// Layer changes a minute allowed on a steady line.
const SWITCHES_MOST: f64 = 4.0;

impl Row {
    fn of(&self, contender: Contender) -> Option<&Figures> {
        self.figures.iter().find(|(who, _)| *who == contender).map(|(_, figures)| figures)
    }

    /// Our score as a share of the better competitor's.
    pub fn ratio(&self) -> Option<f64> {
        let ours = score(self.of(Contender::Millrace)?);
        let others = self.figures.iter().filter(|(who, _)| *who != Contender::Millrace);
        let best = others.map(|(_, figures)| score(figures)).fold(0.0, f64::max);
        (best > 0.0).then_some(ours / best)
    }

    /// The bars that our estimator misses here.
    pub fn missed(&self) -> Vec<String> {
        let Some(ours) = self.of(Contender::Millrace) else { return Vec::new() };
        let bars = self.scenario.bars;
        let mut missed = Vec::new();
        if let Some(ratio) = self.ratio().filter(|ratio| *ratio < SCORE_LEAST) {
            missed.push(format!("score {:.1} % of the better", 100.0 * ratio));
        }
        if bars.steady && ours.utilisation < UTILISATION_LEAST {
            missed.push(format!("utilisation {:.1} %", 100.0 * ours.utilisation));
        }
        if bars.step_down && ours.queue_after_step_ms >= QUEUE_MOST_MS {
            missed.push(format!("queue of {:.0} ms after a step down", ours.queue_after_step_ms));
        }
        if bars.audible && ours.audio_loss > 0.0 {
            missed.push(format!("{:.2} % of the sound", 100.0 * ours.audio_loss));
        }
        if bars.calm && ours.switches > SWITCHES_MOST {
            missed.push(format!("{:.1} layer changes a minute", ours.switches));
        }
        missed
    }
}

/// What became of the sound, where there is any.
fn sound(scenario: &Scenario, figures: &Figures) -> String {
    if !scenario.bars.audible {
        return "–".to_owned();
    }
    format!("{:.2} %, {:.0}", 100.0 * figures.audio_loss, figures.audio_wait_ms)
}

/// The state of the bars in a few lines.
pub fn verdict(rows: &[Row]) -> String {
    let ratios: Vec<_> = rows.iter().filter_map(Row::ratio).collect();
    let above = ratios.iter().filter(|ratio| **ratio > 1.0).count();
    let reached = ratios.iter().filter(|ratio| **ratio >= SCORE_LEAST).count();
    let mut text = format!(
        "Score: at least 97 % of the better of str0m and rtc in {reached} of {count} rows, above it in {above}.\n",
        count = ratios.len()
    );
    for row in rows {
        for missed in row.missed() {
            let _ = writeln!(text, "Missed in {}: {missed}.", row.scenario.name);
        }
    }
    text
}

/// One table of scores and one of figures.
pub fn markdown(rows: &[Row]) -> String {
    let names: Vec<_> = Contender::ALL.iter().map(|who| who.name()).collect();
    let rule = " --: |".repeat(names.len());
    let mut text = format!("| scenario | {} | of the better |\n| --- |{rule} --: |\n", names.join(" | "));
    for row in rows {
        let scores =
            Contender::ALL.iter().map(|who| row.of(*who).map_or("–".to_owned(), |one| format!("{:.1}", score(one))));
        let scores: Vec<_> = scores.collect();
        let ratio = row.ratio().map_or("–".to_owned(), |ratio| format!("{:.0} %", 100.0 * ratio));
        let Scenario { name, title, .. } = &row.scenario;
        let _ = writeln!(text, "| [{title}]({name}.svg) | {} | {ratio} |", scores.join(" | "));
    }
    text.push_str("\n| scenario | who | settles in s | utilisation | queue p50, p95, max ms | loss caused | of sound, longest wait ms | changes/min | fairness |\n");
    text.push_str("| --- | --- | --: | --: | --: | --: | --: | --: | --: |\n");
    for row in rows {
        for (who, one) in &row.figures {
            let _ = writeln!(
                text,
                "| {} | {} | {:.1} | {:.1} % | {:.0}, {:.0}, {:.0} | {:.2} % | {} | {:.1} | {:.2} |",
                row.scenario.name,
                who.name(),
                one.settle_s,
                100.0 * one.utilisation,
                one.queue_p50_ms,
                one.queue_p95_ms,
                one.queue_max_ms,
                100.0 * one.loss,
                sound(&row.scenario, one),
                one.switches,
                one.fairness,
            );
        }
    }
    text
}

//! The driver for stable Rust: corpus and mutations, from a seed, watched for panics, hangs and memory.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use millrace_testkit::memory;

use crate::corpus;
use crate::mutate::mutant;
use crate::targets::Target;

/// Seed of the tests, so that they do the same every time.
const SEED_DEFAULT: u64 = 1;
/// Time that one input may take. Whole handshakes take milliseconds; this is for a machine that does much else.
const HANG_TIME: Duration = Duration::from_secs(30);
/// Stack of the thread that runs a target, in bytes: half of a worker's, so that recursion by input shows.
const STACK_BYTES: usize = 1 << 20;

/// How much is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// This many inputs beside the corpus.
    Executions(u64),
    /// Inputs for this long.
    Time(Duration),
}

/// One run of the driver over one target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Decides every mutation.
    pub seed: u64,
    /// How much is tried.
    pub budget: Budget,
}

/// What a run without a failure was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Inputs, those of the corpus included.
    pub executions: u64,
    /// Time that the run took.
    pub elapsed: Duration,
    /// Most bytes that one input made the target hold; 0 where the measuring allocator is not installed.
    pub peak_bytes: usize,
}

/// An input for which something is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The target's name.
    pub target: &'static str,
    /// The input.
    pub input: Vec<u8>,
    /// What happened.
    pub reason: String,
    /// Seed of the run.
    pub seed: u64,
    /// Number of the input in the run, from 1.
    pub execution: u64,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, reason, seed, execution, input } = self;
        writeln!(f, "{target}: {reason}; seed {seed}, execution {execution}, input of {} bytes:", input.len())?;
        input.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        match corpus::keep_failure(target, input) {
            Ok(path) => write!(f, "\nagain: cargo run -p millrace-fuzz -- {target} --input {}", path.display()),
            Err(error) => write!(f, "\n(not written to a file: {error})"),
        }
    }
}

impl Plan {
    /// The plan of a test: `executions` inputs from a fixed seed, unless `MILLRACE_FUZZ_SECONDS` or
    /// `MILLRACE_FUZZ_SEED` say otherwise.
    ///
    /// # Panics
    /// When one of them is not a number.
    pub fn of_test(executions: u64) -> Self {
        let number = |name| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
        let seconds = number("MILLRACE_FUZZ_SECONDS").map(Duration::from_secs);
        Self {
            seed: number("MILLRACE_FUZZ_SEED").unwrap_or(SEED_DEFAULT),
            budget: seconds.map_or(Budget::Executions(executions), Budget::Time),
        }
    }
}

/// Runs `target` on all of `corpus`, then on mutations of it until the budget of `plan` is used up.
///
/// # Errors
/// The first input for which the target panicked, held more memory than it may, or did not return.
///
/// # Panics
/// When no thread can be started.
pub fn hunt(target: &'static Target, corpus: Vec<Vec<u8>>, plan: Plan) -> Result<Report, Failure> {
    let current = Arc::new(Mutex::new(Current::default()));
    let (alive, watched) = mpsc::channel();
    let mut run = Run { target, corpus, plan, current: Arc::clone(&current), report: Report::default() };
    let work = move || {
        let _alive: Sender<()> = alive;
        run.all()
    };
    let thread = thread::Builder::new().stack_size(STACK_BYTES).spawn(work).expect("a thread can be started");
    let mut last = 0;
    while watched.recv_timeout(HANG_TIME) != Err(RecvTimeoutError::Disconnected) {
        let Current { execution, input } = current.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if execution == last {
            let reason = format!("did not return within {} s", HANG_TIME.as_secs());
            return Err(Failure { target: target.name, input, reason, seed: plan.seed, execution });
        }
        last = execution;
    }
    thread.join().expect("panics of the target are caught")
}

/// What is being tried, for whoever notices that it never ends.
#[derive(Clone, Default)]
struct Current {
    execution: u64,
    input: Vec<u8>,
}

struct Run {
    target: &'static Target,
    corpus: Vec<Vec<u8>>,
    plan: Plan,
    current: Arc<Mutex<Current>>,
    report: Report,
}

impl Run {
    fn all(&mut self) -> Result<Report, Failure> {
        let started = Instant::now();
        for input in self.corpus.clone() {
            self.one(input)?;
        }
        let mut random = Rng::with_seed(self.plan.seed);
        let from_corpus = self.report.executions;
        while match self.plan.budget {
            Budget::Executions(executions) => self.report.executions - from_corpus < executions,
            Budget::Time(time) => started.elapsed() < time,
        } {
            let input = mutant(&self.corpus, self.target.len_max, &mut random);
            self.one(input)?;
        }
        Ok(Report { elapsed: started.elapsed(), ..self.report })
    }

    fn one(&mut self, input: Vec<u8>) -> Result<(), Failure> {
        self.report.executions += 1;
        let run = self.target.run;
        {
            let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
            current.execution = self.report.executions;
            current.input.clone_from(&input);
        }
        let (outcome, peak_bytes) = memory::peak_of(|| catch_unwind(AssertUnwindSafe(|| run(&input))));
        self.report.peak_bytes = self.report.peak_bytes.max(peak_bytes);
        let reason = match outcome {
            Err(panic) => format!("panicked: {}", message_of(panic.as_ref())),
            Ok(()) if peak_bytes > self.target.memory_max => {
                format!("held {peak_bytes} bytes, {} are allowed", self.target.memory_max)
            }
            Ok(()) => return Ok(()),
        };
        let execution = self.report.executions;
        Err(Failure { target: self.target.name, input, reason, seed: self.plan.seed, execution })
    }
}

fn message_of(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}

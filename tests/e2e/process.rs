//! Programs that a test starts, gone when it is.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;

/// How long a program may take for what it is asked.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program under test, in a folder without settings and an environment without ours.
pub fn vestibule(folder: &Path) -> Command {
    program(env!("CARGO_BIN_EXE_vestibule"), folder)
}

/// A program that the kernel kills with the thread that started it, so that nothing stays behind
/// when the tests are interrupted.
pub fn program(name: &str, folder: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", name]).current_dir(folder);
    #[expect(clippy::disallowed_methods, reason = "settings of the developer are not the test's")]
    let variables = std::env::vars();
    for (variable, _) in variables {
        if variable.starts_with("VESTIBULE_") || variable.starts_with("WORKOS_") {
            command.env_remove(variable);
        }
    }
    command
}

/// What a program that ended said.
#[derive(Debug)]
pub struct Outcome {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    /// The output as JSON, of a program that succeeded.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        assert!(self.status.success(), "{self:?}");
        serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The last line on standard error, of a program that failed.
    #[track_caller]
    pub fn failure(&self) -> &str {
        assert!(!self.status.success(), "it succeeded: {self:?}");
        self.stderr.trim_end().lines().last().unwrap_or_default()
    }
}

/// Runs a program to its end, without holding up the servers of this test.
pub async fn run(mut command: Command) -> Outcome {
    command.stdin(Stdio::null());
    let ended = tokio::task::spawn_blocking(move || command.output());
    let output = ended.await.unwrap().expect("the program starts");
    Outcome {
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs the program under test to its end, in a folder, with these arguments.
pub async fn typed(folder: &Path, arguments: &[&str]) -> Outcome {
    let mut command = vestibule(folder);
    command.args(arguments);
    run(command).await
}

/// A program that runs beside the test.
pub struct Process {
    child: Child,
    lines: mpsc::UnboundedReceiver<String>,
    stderr: Arc<Mutex<String>>,
}

impl Process {
    /// Starts it; from the test's own thread, since it ends with the thread that starts it.
    pub fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let (sender, lines) = mpsc::unbounded_channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let stderr = Arc::new(Mutex::new(String::new()));
        let (mut from, to) = (child.stderr.take().unwrap(), Arc::clone(&stderr));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = from.read(&mut buffer) {
                to.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..read]));
            }
        });
        Self { child, lines, stderr }
    }

    /// The next line that it prints.
    pub async fn line(&mut self) -> String {
        match tokio::time::timeout(PATIENCE, self.lines.recv()).await {
            Ok(Some(line)) => line,
            Ok(None) => panic!("it ended: {}", self.stderr()),
            Err(_) => panic!("it says nothing: {}", self.stderr()),
        }
    }

    /// The rest of what it printed, once it has ended.
    pub async fn rest(&mut self) -> Vec<String> {
        let mut rest = Vec::new();
        while let Some(line) = self.lines.recv().await {
            rest.push(line);
        }
        rest
    }

    /// Its id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How much memory it has.
    pub fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        1024 * line.split_whitespace().next().unwrap().parse::<u64>().unwrap()
    }

    /// What it has written to standard error so far.
    pub fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Ends it as a power cut does.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to end, and waits until it has.
    pub async fn terminate(&mut self) -> ExitStatus {
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(asked.unwrap().success());
        self.ended().await
    }

    /// Waits until it has ended.
    pub async fn ended(&mut self) -> ExitStatus {
        let patience = tokio::time::Instant::now() + PATIENCE;
        while tokio::time::Instant::now() < patience {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.kill();
        panic!("it did not end: {}", self.stderr());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

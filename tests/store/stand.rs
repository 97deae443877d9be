//! A bucket of one test on the server that all tests share, behind a proxy of its own.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::proxy::Proxy;
use crate::support::{Outcome, Scene, finish};

/// Where the server's Python is; see the note of the module.
const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/s3/bin/python");

struct Server {
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    port: u16,
    key: String,
    secret: String,
    /// It ends when this process does, which closes its standard input.
    _process: Child,
}

impl Server {
    fn begin() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/store/server.py");
        let process = Command::new(PYTHON)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut process = process.unwrap_or_else(|error| {
            panic!(
                "no S3 server ({error}): python3 -m venv target/s3 && \
                 target/s3/bin/pip install --requirement tests/store/requirements.txt"
            )
        });
        let commands = process.stdin.take().unwrap();
        let mut answers = BufReader::new(process.stdout.take().unwrap());
        let hello = answer(&mut answers);
        Self {
            commands,
            answers,
            port: u16::try_from(hello["port"].as_u64().unwrap()).unwrap(),
            key: hello["key"].as_str().unwrap().to_owned(),
            secret: hello["secret"].as_str().unwrap().to_owned(),
            _process: process,
        }
    }

    fn ask(&mut self, command: &Value) -> Value {
        writeln!(self.commands, "{command}").unwrap();
        answer(&mut self.answers)
    }
}

fn answer(answers: &mut BufReader<ChildStdout>) -> Value {
    let mut line = String::new();
    answers.read_line(&mut line).unwrap();
    serde_json::from_str(&line).expect("the S3 server answers")
}

fn server() -> MutexGuard<'static, Server> {
    static SERVER: OnceLock<Mutex<Server>> = OnceLock::new();
    let server = SERVER.get_or_init(|| Mutex::new(Server::begin()));
    server.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves a file over TLS, for those who trust the authority whose certificate is written to a
/// file; until the process that is given back has lost its standard input.
pub fn serve_securely(file: &Path, authority: &Path) -> (Child, u16) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/store/secure.py");
    let mut process = Command::new(PYTHON)
        .args([&script, file, authority])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut port = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut port).unwrap();
    (process, port.trim().parse().unwrap())
}

/// A bucket, and what stands before it.
pub struct Stand {
    bucket: Bucket,
    pub proxy: Proxy,
}

/// A bucket by its name.
#[derive(Clone)]
pub struct Bucket(String);

impl Bucket {
    pub fn put(&self, key: &str, bytes: &[u8]) {
        let body = BASE64_STANDARD.encode(bytes);
        server().ask(&json!({ "do": "put", "bucket": self.0, "key": key, "body": body }));
    }

    pub fn read(&self, key: &str) -> Vec<u8> {
        let found = server().ask(&json!({ "do": "get", "bucket": self.0, "key": key }));
        BASE64_STANDARD.decode(found["body"].as_str().unwrap()).unwrap()
    }

    pub fn keys(&self) -> Vec<String> {
        let found = server().ask(&json!({ "do": "list", "bucket": self.0 }));
        let keys = found["keys"].as_array().unwrap();
        keys.iter().map(|key| key.as_str().unwrap().to_owned()).collect()
    }

    pub fn url(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.0)
    }
}

impl Stand {
    pub fn begin() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(1);
        let bucket = format!("bucket-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        server().ask(&json!({ "do": "make", "bucket": bucket }));
        let proxy = Proxy::before(server().port);
        Self { bucket: Bucket(bucket), proxy }
    }

    pub fn bucket(&self) -> Bucket {
        self.bucket.clone()
    }

    /// Puts files of a scene into the bucket under their names.
    pub fn upload(&self, scene: &Scene, names: &[&str]) {
        for name in names {
            self.bucket.put(name, &std::fs::read(scene.at(name)).unwrap());
        }
    }

    /// Lets the command find the store, with the right key.
    pub fn tell(&self, command: &mut Command) {
        tell(command, self.proxy.port());
    }

    /// The same for a command that nothing goes wrong for.
    pub fn tell_past_the_proxy(&self, command: &mut Command) {
        let port = server().port;
        tell(command, port);
    }

    /// A match of the scene's job that finds the store.
    pub fn command(&self, scene: &Scene, more: &[&str]) -> Command {
        let mut command = scene.command(more);
        self.tell(&mut command);
        command
    }

    /// Runs the scene's job with the store at hand.
    pub fn run(&self, scene: &Scene, more: &[&str]) -> Outcome {
        finish(&mut self.command(scene, more))
    }
}

fn tell(command: &mut Command, port: u16) {
    let (key, secret) = {
        let server = server();
        (server.key.clone(), server.secret.clone())
    };
    command
        .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}"))
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", key)
        .env("AWS_SECRET_ACCESS_KEY", secret);
}

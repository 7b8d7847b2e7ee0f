//! The servers: how each is started, on one core.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

use netloop_benches::cores::{ends, on_core};
use netloop_benches::process;

use crate::BODY;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const NODE: &str = r"
const body = 'Hello, world!\n';
const server = require('http').createServer((request, response) => {
  response.writeHead(200, { 'Content-Type': 'text/plain; charset=utf-8', 'Content-Length': body.length });
  response.end(body);
});
server.keepAliveTimeout = 75000;
server.listen(0, '127.0.0.1', () => console.log(`listening 127.0.0.1:${server.address().port}`));
";

pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) version: String,
    pub(crate) process: process::Server,
}

impl Server {
    /// Starts every server that is installed. The others are named on standard error.
    pub(crate) fn start_all(folder: &Path) -> Outcome<Vec<Self>> {
        let mut raw = Command::new(std::env::current_exe()?);
        raw.arg("--serve-raw");
        let mut http = Command::new(env!("CARGO_BIN_EXE_http"));
        http.args(["--listen", "127.0.0.1:0", "--per-address", "10000"]);
        let mut servers = vec![
            Self::start("raw epoll", String::new(), &mut raw)?,
            Self::start("http", String::new(), &mut http)?,
        ];
        for (name, started) in [("nginx", Self::nginx(folder)), ("node", Self::node(folder))] {
            match started {
                Ok(server) => servers.push(server),
                Err(error) => eprintln!("SKIPPED: {name}: {error}"),
            }
        }
        for server in &servers {
            server.check()?;
        }
        Ok(servers)
    }

    fn start(name: &'static str, version: String, command: &mut Command) -> Outcome<Self> {
        let process = on_core(ends().0, || process::Server::start(command))?;
        Ok(Self {
            name,
            version,
            process,
        })
    }

    /// One process, which is the worker, without an access log.
    fn nginx(folder: &Path) -> Outcome<Self> {
        let version = Command::new("nginx").arg("-v").output()?.stderr;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let temporary =
            temporary.map(|name| format!("{name}_temp_path {}/{name};", folder.display()));
        let configuration = format!(
            "daemon off; master_process off; worker_processes 1; pid {folder}/pid; error_log {folder}/errors;
             worker_rlimit_nofile 8192;
             events {{ worker_connections 4096; }}
             http {{
               access_log off; keepalive_requests 1000000000; server_tokens off; {temporary}
               server {{
                 listen {address} backlog=4096;
                 location = / {{ default_type 'text/plain; charset=utf-8'; return 200 'Hello, world!\\n'; }}
               }}
             }}",
            folder = folder.display(),
            temporary = temporary.join(" "),
        );
        let path = folder.join("nginx.conf");
        fs::write(&path, configuration)?;
        let mut command = Command::new("nginx");
        command.arg("-c").arg(&path).arg("-p").arg(folder);
        let process = on_core(ends().0, || {
            process::Server::start_at(address, &mut command)
        })?;
        Ok(Self {
            name: "nginx",
            version: version_of(&version),
            process,
        })
    }

    fn node(folder: &Path) -> Outcome<Self> {
        let version = Command::new("node").arg("--version").output()?.stdout;
        let path = folder.join("server.js");
        fs::write(&path, NODE)?;
        Self::start("node", version_of(&version), Command::new("node").arg(path))
    }

    /// Asks once, and compares the body.
    fn check(&self) -> Outcome<()> {
        let mut stream = TcpStream::connect(self.process.address)?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")?;
        let mut response = Vec::new();
        while !response.ends_with(BODY) {
            let mut buffer = [0; 1024];
            let length = stream.read(&mut buffer)?;
            response.extend_from_slice(&buffer[..length]);
            if length == 0 || !response.starts_with(b"HTTP/1.1 200 OK\r\n") {
                let response = String::from_utf8_lossy(&response);
                return Err(format!("{} answers {response:?}", self.name).into());
            }
        }
        Ok(())
    }
}

fn version_of(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let version = text.trim().rsplit(['/', 'v']).next();
    version.unwrap_or_default().to_owned()
}

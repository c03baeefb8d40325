//! Mockoon, if there is one: a Node.js program that many teams mock APIs with.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::MockArgs;
use super::load::Target;
use racegate::output::note;
use racegate_model::analysis::Exit;

/// How long it may take to start; fetching it takes longest.
const START_MAX: Duration = Duration::from_secs(240);

/// A Mockoon that runs.
pub(super) struct Running {
    child: Child,
    address: SocketAddr,
    /// Holds its data file.
    _folder: Folder,
}

/// A folder that is removed in the end.
struct Folder(std::path::PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // npx and the shell that it starts pass a termination on; a kill they could not.
        let pid = self.child.id().to_string();
        drop(Command::new("kill").args(["-TERM", &pid]).status());
        drop(self.child.wait());
    }
}

impl Running {
    pub(super) fn same(&self, like: &Target) -> Target {
        Target {
            address: self.address,
            requests: Rc::clone(&like.requests),
        }
    }
}

/// Starts Mockoon with one route that answers `body`; the inner error is why there is none.
pub(super) fn start(args: &MockArgs, body: &str) -> Result<Result<Running, String>, Exit> {
    let Some(mut command) = command(args) else {
        return Ok(Err(
            "mockoon-cli is not installed (--mockoon fetches @mockoon/cli with npx)".to_owned(),
        ));
    };
    let port = free_port().map_err(Exit::internal)?;
    let folder = std::env::temp_dir().join(format!("racegate-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(Exit::internal)?;
    let guard = Folder(folder.clone());
    let data = folder.join("mock.json");
    std::fs::write(&data, environment(port, body)).map_err(Exit::internal)?;
    note("mockoon: starting");
    let spawned = command
        .args([
            "start",
            "--disable-log-to-file",
            "--port",
            &port.to_string(),
            "--data",
        ])
        .arg(&data)
        .current_dir(&folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let child = match spawned {
        Ok(child) => child,
        Err(error) => return Ok(Err(format!("it could not be started: {error}"))),
    };
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut running = Running {
        child,
        address,
        _folder: guard,
    };
    let began = Instant::now();
    while TcpStream::connect(address).is_err() {
        if let Ok(Some(status)) = running.child.try_wait() {
            return Ok(Err(format!("it ended at once ({status})")));
        }
        if began.elapsed() > START_MAX {
            return Ok(Err(format!("it did not listen within {START_MAX:?}")));
        }
        std::thread::park_timeout(Duration::from_millis(100));
    }
    Ok(Ok(running))
}

fn command(args: &MockArgs) -> Option<Command> {
    let installed = Command::new("mockoon-cli")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if installed.is_ok_and(|status| status.success()) {
        return Some(Command::new("mockoon-cli"));
    }
    if !args.mockoon {
        return None;
    }
    let mut command = Command::new("npx");
    command.args(["--yes", "@mockoon/cli"]);
    Some(command)
}

/// A port that was free a moment ago; Mockoon wants to be told one.
fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// An environment of Mockoon's with one route.
fn environment(port: u16, body: &str) -> String {
    let id = |nth: u8| format!("00000000-0000-4000-8000-0000000000{nth:02}");
    let response = json!({
        "uuid": id(3), "body": body, "latency": 0, "statusCode": 200, "label": "",
        "headers": [{"key": "Content-Type", "value": "application/json"}],
        "bodyType": "INLINE", "filePath": "", "databucketID": "", "sendFileAsBody": false,
        "rules": [], "rulesOperator": "OR", "disableTemplating": true, "fallbackTo404": false,
        "default": true, "crudKey": "id", "callbacks": [],
    });
    json!({
        "uuid": id(1), "lastMigration": 33, "name": "bench", "endpointPrefix": "", "latency": 0,
        "port": port, "hostname": "127.0.0.1", "folders": [],
        "routes": [{
            "uuid": id(2), "type": "http", "documentation": "", "method": "get",
            "endpoint": "api/v2/conversations/:conversation/recordings/:recording",
            "responses": [response], "responseMode": null, "streamingMode": null,
            "streamingInterval": 0,
        }],
        "rootChildren": [{"type": "route", "uuid": id(2)}],
        "proxyMode": false, "proxyHost": "", "proxyRemovePrefix": false,
        "tlsOptions": {"enabled": false, "type": "CERT", "pfxPath": "", "certPath": "",
                       "keyPath": "", "caPath": "", "passphrase": ""},
        "cors": false, "headers": [], "proxyReqHeaders": [], "proxyResHeaders": [], "data": [],
        "callbacks": [],
    })
    .to_string()
}

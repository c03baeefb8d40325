//! The arguments of a served mock. The only file of the crate that knows clap.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU16;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use racegate_model::time::Duration;
use racegate_scenario::Override;

use super::clients::Client;
use super::start::{Options, Storage};
use super::{ServeError, load_scenario};
use crate::clock::Pace;
use crate::http::{CorsOrigin, JOURNAL_DEFAULT, PublicUrl, WebAccess};
use crate::storage::{BucketError, ExternalBucket};
use crate::targets::{TargetError, Targets};

/// The API's port unless told otherwise; S3 and media follow it.
const PORT_DEFAULT: u16 = 7070;
/// Requests that a journal remembers at most.
const JOURNAL_MAX: u32 = 10_000_000;

/// Arguments of `racegate serve` and `mock-api`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct ServeArgs {
    /// The scenario that is played [default: a few calls a minute, metadata seconds late]
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,
    /// Seed of all chance, ids and secrets [default: the scenario's]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Change one value of the scenario, e.g. platform.index.refresh=30s (repeatable)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Port of the API; 0 for any
    #[arg(long, value_name = "N", default_value_t = PORT_DEFAULT)]
    pub port: u16,
    /// Port of the S3 endpoint [default: the API's plus 1; any if that is 0]
    #[arg(long, value_name = "N")]
    pub s3_port: Option<u16>,
    /// UDP port of the media [default: the API's plus 2; any if that is 0]
    #[arg(long, value_name = "N")]
    pub media_port: Option<u16>,
    /// Media threads, each with a UDP port of its own: --media-port and those after it
    #[arg(
        long,
        value_name = "N",
        default_value = "1",
        conflicts_with = "no_media"
    )]
    pub shards: NonZeroU16,
    /// WebRTC stack of the ingest, for softphones and WHIP alike [default: the scenario's]
    #[arg(long, value_enum, conflicts_with = "no_media")]
    pub stack: Option<IngestStack>,
    /// Take no media: recordings are synthetic only
    #[arg(long)]
    pub no_media: bool,
    /// Write all addresses and credentials to this file, as JSON, once everything listens
    #[arg(long, value_name = "FILE")]
    pub port_file: Option<PathBuf>,
    /// Address to listen on; others than loopback need --allow-remote
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub host: IpAddr,
    /// Let other machines in (the control plane stays with this one); with a HOST, also connect to
    /// that one for --s3 and webhooks (repeatable)
    #[arg(long, value_name = "HOST", num_args = 0..=1, default_missing_value = "")]
    pub allow_remote: Vec<String>,
    /// Where clients reach the API, for the addresses that it hands out, e.g. `https://mock.example`
    /// [default: what a proxy on this machine says by Forwarded or X-Forwarded-*, else the Host]
    #[arg(long, value_name = "URL")]
    pub public_url: Option<PublicUrl>,
    /// Let web pages of this origin use the API, e.g. http://localhost:3000; * for any (repeatable)
    /// [default: none; /whip is open to all, the control plane to none]
    #[arg(long, value_name = "ORIGIN")]
    pub cors: Vec<CorsOrigin>,
    /// How time passes: real, xN (x10, x0.5), or manual (by the control plane only)
    #[arg(long, value_name = "PACE", default_value_t = Pace::REAL)]
    pub clock: Pace,
    /// How much of the workload has happened already when the mock starts
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = racegate_scenario::parse_duration)]
    pub past: Duration,
    /// How long it takes to get a recording back from the archive, e.g. 12h
    /// [default: the scenario's platform.archive.restore, which is 500ms unless it says so]
    #[arg(long, value_name = "DURATION")]
    pub restore: Option<String>,
    /// A client that may log in, an organization of its own (repeatable)
    /// [default: client-1 and client-2, with secrets of the seed]
    #[arg(long = "client", value_name = "ID[:SECRET]")]
    pub clients: Vec<Client>,
    /// Requests that the journal remembers
    #[arg(long, value_name = "N", default_value_t = JOURNAL_DEFAULT, value_parser = clap::value_parser!(u32).range(0..=i64::from(JOURNAL_MAX)))]
    pub journal: u32,
    /// Write S3 objects to this folder too, and serve those that are in it
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Keep objects in this bucket instead of an S3 endpoint of the mock's own:
    /// http://HOST:PORT/BUCKET, with the keys of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
    #[arg(long = "s3", value_name = "URL", conflicts_with_all = ["data_dir", "s3_port"])]
    pub external: Option<String>,
    /// Print nothing
    #[arg(long, short)]
    pub quiet: bool,
}

/// A stack by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum IngestStack {
    /// Made for many calls
    Dense,
    /// Made for everything
    Str0m,
}

impl IngestStack {
    /// What it sets `workload.stack` to.
    const fn value(self) -> &'static str {
        match self {
            Self::Dense => "{ ingest = \"dense\" }",
            Self::Str0m => "{ ingest = \"str0m\" }",
        }
    }
}

impl ServeArgs {
    /// What is to be served.
    ///
    /// # Errors
    /// When the arguments do not fit together, or the scenario has mistakes.
    pub fn options(&self) -> Result<Options, ServeError> {
        let lets_others_in = self.allow_remote.iter().any(String::is_empty);
        if !self.host.is_loopback() && !lets_others_in {
            return Err(ServeError::Arguments(format!(
                "--host {}: other machines could reach the mock; add --allow-remote if they shall",
                self.host
            )));
        }
        let seed = self
            .seed
            .map(|seed| Override::of_flag("--seed", "seed", &seed.to_string()));
        let stack = self
            .stack
            .map(|stack| Override::of_flag("--stack", "workload.stack", stack.value()));
        let restore = self.restore.as_deref();
        let restore = restore
            .map(|restore| Override::of_flag("--restore", "platform.archive.restore", restore));
        let flags = seed.into_iter().chain(stack).chain(restore);
        let overrides: Vec<Override> = self.set.iter().map(Override::set).chain(flags).collect();
        let next = |chosen: Option<u16>, offset: u16| {
            chosen.unwrap_or_else(|| match self.port {
                0 => 0,
                port => port.checked_add(offset).unwrap_or(0),
            })
        };
        let hosts = self.allow_remote.iter().filter(|host| !host.is_empty());
        let targets = Targets::with(hosts.map(String::as_str));
        Ok(Options {
            scenario: load_scenario(self.scenario.as_deref(), &overrides)?,
            clients: self.clients.clone(),
            host: self.host,
            port: self.port,
            s3_port: next(self.s3_port, 1),
            media_port: (!self.no_media).then(|| next(self.media_port, 2)),
            pace: self.clock,
            past: self.past,
            journal: self.journal,
            storage: match &self.data_dir {
                Some(folder) => Storage::Folder(folder.clone()),
                None => Storage::Memory,
            },
            external: self
                .external
                .as_deref()
                .map(|url| external(url, &targets))
                .transpose()?,
            targets,
            web: WebAccess {
                public_url: self.public_url.clone(),
                cors: self.cors.clone(),
            },
        })
    }
}

/// The bucket of `http://host:port/bucket`, and the keys to it from the environment.
fn external(url: &str, targets: &Targets) -> Result<ExternalBucket, ServeError> {
    let variable = |name: &str| {
        std::env::var(name).map_err(|_| {
            ServeError::Arguments(format!("--s3 needs the keys to the bucket: set {name}"))
        })
    };
    let told = |error: BucketError| {
        let way_out = match &error {
            BucketError::Target(TargetError::Remote { host, .. }) => {
                format!("; add --allow-remote {host} if objects shall go there")
            }
            BucketError::Target(TargetError::UserInfo { .. }) => {
                " (the keys are those of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)".to_owned()
            }
            BucketError::Target(TargetError::NotHttp { .. }) | BucketError::NoBucket { .. } => {
                String::new()
            }
        };
        ServeError::Arguments(format!("--s3 {error}{way_out}"))
    };
    // The address is looked at before the keys: they are not asked for in vain.
    let keys = |keys| ExternalBucket::at(url, keys, targets).map_err(told);
    keys((String::new(), String::new()))?;
    keys((
        variable("AWS_ACCESS_KEY_ID")?,
        variable("AWS_SECRET_ACCESS_KEY")?,
    ))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use racegate_model::distribution::Distribution;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        serve: ServeArgs,
    }

    fn options(arguments: &[&str]) -> Result<Options, ServeError> {
        let arguments = ["mock-api"].iter().chain(arguments);
        Command::try_parse_from(arguments).unwrap().serve.options()
    }

    #[test]
    fn objects_go_to_this_machine_or_to_a_host_that_is_named_and_no_user_is_repeated() {
        let told = |arguments: &[&str]| match options(arguments) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        };
        let keys = "AWS_ACCESS_KEY_ID";
        for arguments in [
            &["--s3", "http://127.0.0.1:9/b"][..],
            &[
                "--s3",
                "http://store.example:9/b",
                "--allow-remote",
                "store.example",
            ],
        ] {
            let told = told(arguments);
            assert!(told.is_empty() || told.contains(keys), "{told}");
        }
        let remote = told(&["--s3", "http://store.example:9/b"]);
        assert!(remote.contains("--allow-remote store.example"), "{remote}");
        let bare = told(&["--s3", "http://store.example:9/b", "--allow-remote"]);
        assert!(bare.contains("--allow-remote store.example"), "{bare}");
        for url in [
            "http://s3cret@127.0.0.1:9/b",
            "http://a:s3cret@store.example/b",
        ] {
            let told = told(&["--s3", url, "--allow-remote", "store.example"]);
            assert!(told.contains("a user or a password"), "{told}");
            assert!(!told.contains("s3cret"), "{told}");
        }
        for url in [
            "http://127.0.0.1:9",
            "http://127.0.0.1:9/a/b",
            "http://127.0.0.1:9/b?x",
        ] {
            let told = told(&["--s3", url]);
            assert!(told.contains("http://HOST:PORT/BUCKET"), "{told}");
        }
        let inside = told(&["--host", "0.0.0.0", "--allow-remote", "store.example"]);
        assert!(
            inside.contains("add --allow-remote"),
            "a host to go to lets nobody in"
        );
    }

    #[test]
    fn a_restore_takes_what_its_flag_says_and_the_flag_is_blamed_for_nonsense() {
        let restore = |arguments: &[&str]| {
            let scenario = options(arguments).unwrap().scenario;
            scenario.arms[0].platform.archive.restore.clone()
        };
        let constant = |ms| Distribution::constant(Duration::from_millis(ms));
        assert_eq!(restore(&[]), constant(500));
        assert_eq!(restore(&["--restore", "12h"]), constant(12 * 3_600_000));
        let set = [
            "--set",
            "platform.archive.restore=1s",
            "--restore",
            "1500us",
        ];
        let shorter = Duration::from_nanos(1_500_000);
        assert_eq!(restore(&set), Distribution::constant(shorter));
        let refused = options(&["--restore", "soon"]).unwrap_err().to_string();
        assert!(refused.contains("--restore"), "{refused}");
    }
}

//! The S3 endpoint alone, with two tenants, for S3 clients to be tried on:
//! `cargo run -p mock-api --example storage`. Prints what a client needs as shell assignments and
//! runs until its standard input is closed.

use std::io::{Read as _, Write as _};

use mock_api::storage::{AccessKey, EndpointLimits, S3Endpoint, Store};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let key = |name: &str| AccessKey {
        id: format!("{name}-key"),
        secret: format!("{name}-secret"),
        bucket: format!("{name}-bucket"),
    };
    let (mine, other) = (key("mine"), key("other"));
    let keys = [mine.clone(), other.clone()];
    let any = "127.0.0.1:0".parse()?;
    let endpoint =
        S3Endpoint::start(any, Store::default(), &keys, EndpointLimits::default()).await?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "export S3_ENDPOINT={}", endpoint.url())?;
    writeln!(
        stdout,
        "export S3_ACCESS_KEY={} S3_SECRET_KEY={}",
        mine.id, mine.secret
    )?;
    writeln!(
        stdout,
        "export S3_BUCKET={} S3_OTHER_BUCKET={}",
        mine.bucket, other.bucket
    )?;
    stdout.flush()?;
    let closed = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    closed.await??;
    endpoint.shutdown().await;
    Ok(())
}

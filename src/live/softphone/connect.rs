//! Opens a call's WebSocket.

use std::net::SocketAddr;

use mock_api::ingest::FRAME_MAX;
use racegate_model::fault::Fault;
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::Softphones;
use super::call::Socket;

/// Bytes of each of a narrow connection's buffers; the system doubles them.
const NARROW: u32 = 16 << 10;

/// Opens the WebSocket, without Nagle's delay: signalling is small frames that wait for each other.
pub(super) async fn connect(phones: &Softphones, fault: Option<Fault>) -> Result<Socket, String> {
    let request = phones
        .signalling_url
        .as_ref()
        .into_client_request()
        .map_err(|error| error.to_string())?;
    let host = request
        .uri()
        .host()
        .ok_or("the signalling URL has no host")?
        .to_owned();
    let port = request.uri().port_u16().unwrap_or(80);
    let refused = |error: std::io::Error| {
        phones.meter.count_refusal(&error);
        error.to_string()
    };
    let stream = if fault == Some(Fault::SendBufferFull) {
        narrow(&host, port).await.map_err(refused)?
    } else {
        let connected = TcpStream::connect((host.as_str(), port)).await;
        connected.map_err(refused)?
    };
    stream
        .set_nodelay(true)
        .map_err(|error| error.to_string())?;
    let config = WebSocketConfig::default()
        .max_message_size(Some(FRAME_MAX))
        .max_frame_size(Some(FRAME_MAX))
        // The default of 128 KiB per call is most of a caller's memory.
        .read_buffer_size(4096)
        .write_buffer_size(0);
    let (socket, _) = client_async_with_config(request, stream, Some(config))
        .await
        .map_err(|error| error.to_string())?;
    Ok(socket)
}

/// A connection of which the system keeps little that has not been read, so that it soon makes the other side wait.
async fn narrow(host: &str, port: u16) -> std::io::Result<TcpStream> {
    let mut addresses = tokio::net::lookup_host((host, port)).await?;
    let address = addresses.find(SocketAddr::is_ipv4);
    let address = address.ok_or(std::io::ErrorKind::AddrNotAvailable)?;
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(NARROW)?;
    socket.set_send_buffer_size(NARROW)?;
    socket.connect(address).await
}

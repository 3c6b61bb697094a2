//! Magic packets, on real sockets.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use stationkeeper_simulator::{Power, Role};
use stationkeeper_tests::simulated_stations::{SimulatedStations, cmd, lab_station};
use stationkeeper_tests::waiting::{PATIENCE, until};

fn send(mac: [u8; 6], to: SocketAddr) {
    let packet = [[0xff; 6].as_slice(), &mac.repeat(16)].concat();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_broadcast(true).unwrap();
    socket.send_to(&packet, to).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pc_that_is_off_refuses_connections_until_a_magic_packet_starts_it() {
    let lab = SimulatedStations::start(&[Role::Idle, Role::Idle], 60.0).await;
    let port = lab.stations.wake_port();
    let own = lab.address(0).ip();
    for to in [own, Ipv4Addr::LOCALHOST.into(), Ipv4Addr::new(127, 255, 255, 255).into()] {
        assert_eq!(lab.client(0).one(lab_station("power shutdown --delay=240")).await.unwrap().exit_code, 0);
        until("a PC that is off", PATIENCE, async || (lab.power(0) == Power::Off).then_some(())).await;
        until("a refused connection", PATIENCE, async || {
            std::net::TcpStream::connect(lab.address(0)).is_err().then_some(())
        })
        .await;
        let before = lab.heartbeats(0).len();
        let error = lab.client(0).one(cmd("hostname")).await.unwrap_err();
        assert!(error.starts_with("ConnectionError"), "{error}");

        send(lab.mac(1), SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        send(lab.mac(0), SocketAddr::from((to, port)));
        until("a PC that is on", PATIENCE, async || (lab.power(0) == Power::On).then_some(())).await;
        until("a station that answers", PATIENCE, async || {
            std::net::TcpStream::connect(lab.address(0)).is_ok().then_some(())
        })
        .await;
        assert_eq!(lab.client(0).one(cmd("hostname")).await.unwrap().text().trim(), lab.host(0).as_str(), "by {to}");
        until("a heartbeat after it", PATIENCE, async || lab.heartbeats(0).get(before).cloned()).await;
    }
    assert_eq!(lab.power(1), Power::On, "a packet for a PC that is on changes nothing");
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reboot_closes_the_listener_for_as_long_as_windows_takes() {
    let lab = SimulatedStations::start(&[Role::Idle], 60.0).await;
    let release = lab_station("release-session --reboot --reboot-timeout=240");
    assert_eq!(lab.client(0).one(release).await.unwrap().exit_code, 0);
    until("a PC that goes down", PATIENCE, async || (lab.power(0) != Power::On).then_some(())).await;
    until("a PC that is back by itself", PATIENCE, async || (lab.power(0) == Power::On).then_some(())).await;
    until("a station that answers", PATIENCE, async || {
        lab.client(0).one(cmd("hostname")).await.ok().filter(|said| said.exit_code == 0)
    })
    .await;
    lab.stop().await;
}

//! A router of ours in a child process, and what is asked of it to let peers in.

use std::io;

use millrace_model::{DtlsFingerprint, DtlsParameters, DtlsRole, RtpParameters};
use millrace_packet::ExtensionKind;
use serde_json::{Value, json};

use crate::call::SSRC;
use crate::child::{Kind, ServerProcess};
use crate::handshake::Identity;
use crate::peer::Offer;
use crate::publisher::{OPUS, RTX_SSRC_OFFSET, TRANSPORT_CC_ID, VP8, VP8_RTX};
use crate::viewer::StreamSpec;

/// Media packets a second that our server takes from one peer (case R09): above what any publisher here sends, so that
/// the limit is at work and cuts nothing.
pub(crate) const PEER_PACKET_RATE_MAX: u32 = 1_000_000;

/// Bits a second that it takes from one peer.
pub(crate) const PEER_BITRATE_MAX: u64 = 12_000_000_000;

/// A worker with one router and one shared port.
pub(crate) struct Room {
    pub(crate) server: ServerProcess,
    pub(crate) identity: Identity,
    router: String,
    web_rtc_server: String,
    capabilities: Value,
    objects: u64,
}

/// A consumer by what its viewer needs to know.
pub(crate) struct Consumed {
    pub(crate) id: String,
    pub(crate) spec: StreamSpec,
    pub(crate) extensions: Vec<(u8, ExtensionKind)>,
}

impl Room {
    /// Starts a worker that stays on `core`.
    ///
    /// # Errors
    /// When it does not start or refuses.
    pub(crate) fn start(core: usize) -> io::Result<Self> {
        Self::on(ServerProcess::start(Kind::Worker, core)?)
    }

    /// Opens a router on a worker that was told nothing yet.
    pub(crate) fn on(mut server: ServerProcess) -> io::Result<Self> {
        server.write(&json!({ "peerPacketRateMax": PEER_PACKET_RATE_MAX, "peerBitrateMax": PEER_BITRATE_MAX }))?;
        let mut room = Self {
            server,
            identity: Identity::new(),
            router: String::new(),
            web_rtc_server: String::new(),
            capabilities: Value::Null,
            objects: 0,
        };
        room.web_rtc_server = room.new_id();
        let listen = json!([{ "protocol": "udp", "ip": "127.0.0.1" }]);
        let params = json!({ "webRtcServerId": room.web_rtc_server, "listenInfos": listen });
        room.server.request("worker.createWebRtcServer", params)?;
        room.router = room.new_id();
        let codecs = json!([
            { "kind": "audio", "mimeType": "audio/opus", "clockRate": 48_000, "channels": 2 },
            { "kind": "video", "mimeType": "video/VP8", "clockRate": 90_000 },
        ]);
        let params = json!({ "routerId": room.router, "mediaCodecs": codecs });
        room.capabilities = room.server.request("worker.createRouter", params)?["rtpCapabilities"].take();
        Ok(room)
    }

    /// A fresh object id.
    pub(crate) fn new_id(&mut self) -> String {
        self.objects += 1;
        format!("00000000-0000-4000-8000-{:012x}", self.objects)
    }

    /// The parameters of a request for a new transport, with its id.
    pub(crate) fn transport_params(&mut self) -> (String, Value) {
        let id = self.new_id();
        let params = json!({ "routerId": self.router, "transportId": id, "webRtcServerId": self.web_rtc_server });
        (id, params)
    }

    pub(crate) fn create_transport(&mut self) -> io::Result<(String, Offer)> {
        let (id, params) = self.transport_params();
        let reply = self.server.request("router.createWebRtcTransport", params)?;
        Ok((id, Offer::read(&reply)?))
    }

    /// The parameters that tell a transport of our peers' certificate.
    pub(crate) fn connect_params(&self, transport: &str) -> Value {
        let fingerprints = vec![DtlsFingerprint::from(&self.identity.fingerprint())];
        json!({ "transportId": transport, "dtlsParameters": DtlsParameters { role: DtlsRole::Client, fingerprints } })
    }

    pub(crate) fn connect(&mut self, transport: &str) -> io::Result<()> {
        let params = self.connect_params(transport);
        self.server.request("transport.connect", params).map(drop)
    }

    /// The parameters of a request to publish, with the producer's id.
    pub(crate) fn produce_params(&mut self, transport: &str, ssrc: u32, is_audio: bool) -> (String, Value) {
        let id = self.new_id();
        let mut params = if is_audio { microphone(ssrc) } else { camera(ssrc) };
        params["transportId"] = json!(transport);
        params["producerId"] = json!(id);
        (id, params)
    }

    pub(crate) fn produce(&mut self, transport: &str, ssrc: u32, is_audio: bool) -> io::Result<String> {
        let (id, params) = self.produce_params(transport, ssrc, is_audio);
        self.server.request("transport.produce", params)?;
        Ok(id)
    }

    /// Publishes the layers of a camera, lowest first.
    pub(crate) fn produce_layers(&mut self, transport: &str, ssrcs: &[u32]) -> io::Result<String> {
        let (id, mut params) = self.produce_params(transport, SSRC, false);
        let encoding = |ssrc: &u32| json!({ "ssrc": ssrc, "rtx": { "ssrc": ssrc + RTX_SSRC_OFFSET } });
        params["rtpParameters"]["encodings"] = ssrcs.iter().map(encoding).collect();
        self.server.request("transport.produce", params)?;
        Ok(id)
    }

    /// Publishes a mix of one producer.
    pub(crate) fn mix(&mut self, producer: &str) -> io::Result<String> {
        let [mixer, input, output, mix] = [(); 4].map(|()| self.new_id());
        self.server.request("worker.createAudioMixer", json!({ "audioMixerId": mixer }))?;
        let params = json!({ "audioMixerId": mixer, "inputId": input, "producerId": producer });
        self.server.request("audioMixer.addInput", params)?;
        let params = json!({
            "audioMixerId": mixer, "outputId": output, "producerId": mix, "routerId": self.router, "codec": "opus",
        });
        self.server.request("audioMixer.createOutput", params)?;
        Ok(mix)
    }

    /// The parameters of a request to view.
    pub(crate) fn consume_params(&mut self, transport: &str, producer: &str, paused: bool) -> Value {
        json!({
            "transportId": transport, "consumerId": self.new_id(), "producerId": producer,
            "rtpCapabilities": self.capabilities, "paused": paused,
        })
    }

    pub(crate) fn consume(&mut self, transport: &str, producer: &str, paused: bool) -> io::Result<Consumed> {
        let params = self.consume_params(transport, producer, paused);
        let reply = self.server.request("transport.consume", params.clone())?;
        let is_audio = reply["kind"] == "audio";
        let parameters: RtpParameters = serde_json::from_value(reply["rtpParameters"].clone())?;
        let encoding = parameters.encodings.first().ok_or_else(|| io::Error::other("a consumer without encoding"))?;
        let known = parameters.header_extensions.iter();
        Ok(Consumed {
            id: params["consumerId"].as_str().unwrap_or_default().to_owned(),
            spec: StreamSpec {
                ssrc: encoding.ssrc.unwrap_or_default(),
                rtx_ssrc: encoding.rtx.as_ref().map(|rtx| rtx.ssrc),
                is_audio,
            },
            extensions: known.filter_map(|item| Some((item.id, ExtensionKind::from_uri(&item.uri)?))).collect(),
        })
    }

    /// A counter of the worker and all its transports together.
    pub(crate) fn counter(&mut self, name: &str) -> io::Result<u64> {
        let metrics = self.server.request("worker.getMetrics", json!({}))?;
        let transports = metrics["transports"].as_array().into_iter().flatten();
        let counters = transports.map(|transport| &transport["counters"]).chain([&metrics["worker"]]);
        let values = counters.map(|counters| counters[name].as_u64());
        values.sum::<Option<u64>>().ok_or_else(|| io::Error::other(format!("no counter is called {name}")))
    }
}

fn microphone(ssrc: u32) -> Value {
    json!({
        "kind": "audio",
        "rtpParameters": {
            "codecs": [{ "mimeType": "audio/opus", "payloadType": OPUS, "clockRate": 48_000, "channels": 2 }],
            "encodings": [{ "ssrc": ssrc }],
        },
    })
}

fn camera(ssrc: u32) -> Value {
    let feedback = json!([{ "type": "nack" }, { "type": "nack", "parameter": "pli" }, { "type": "transport-cc" }]);
    json!({
        "kind": "video",
        "rtpParameters": {
            "codecs": [
                { "mimeType": "video/VP8", "payloadType": VP8, "clockRate": 90_000, "rtcpFeedback": feedback },
                { "mimeType": "video/rtx", "payloadType": VP8_RTX, "clockRate": 90_000, "parameters": { "apt": VP8 } },
            ],
            "headerExtensions": [{ "uri": ExtensionKind::TransportWideCc.uri(), "id": TRANSPORT_CC_ID }],
            "encodings": [{ "ssrc": ssrc, "rtx": { "ssrc": ssrc + RTX_SSRC_OFFSET } }],
        },
    })
}

//! What a plan can vary, in one table.
//!
//! Each row gives a factor its field in a [`Cell`], its flag and plan key, its key in cell ids, its column
//! in CSV files, its type and its default. The flags, the plan file, ids and columns all come from here,
//! so a new factor is one row (and the engine's use of it).

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::cell::Cell;
use crate::names::{
    AckPlacement, Completions, Deferral, Family, Layout, Link, MemoryLoad, Offload, Pages,
    ReceivePath, RingFile, SendPath, Sockets, Switch, Watch,
};
use crate::placement::Placement;
use crate::plan::MAX_CELLS;
use crate::shape::Shape;
use crate::values::{
    AckInterval, BusyPoll, Congestion, CopyBelow, Depth, FactorValue, Fields, Flows, LowWater,
    MessageSize, Mtu, Offset, Rate, ReceiveBuffer, Replica, Ring, Segment, SocketBuffer, Threads,
};

macro_rules! factors {
    ($(
        $(#[doc = $doc:literal])+
        $factor:ident { $field:ident: $type:ty = $default:expr, key $key:literal, id $id:literal, column $column:literal $(, $always:ident)? }
    )+) => {
        /// What a plan can vary.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Factor {
            $( $(#[doc = $doc])+ $factor, )+
        }

        impl Factor {
            /// Every factor, in the order of ids and columns.
            pub const ALL: &'static [Self] = &[$( Self::$factor ),+];

            /// The flag (after `--`) and the key in a plan file.
            pub const fn key(self) -> &'static str {
                match self { $( Self::$factor => $key ),+ }
            }

            /// The key in a cell's id.
            pub const fn id_key(self) -> &'static str {
                match self { $( Self::$factor => $id ),+ }
            }

            /// The column in CSV files.
            pub const fn column(self) -> &'static str {
                match self { $( Self::$factor => $column ),+ }
            }

            /// One sentence for `--help`.
            pub fn help(self) -> &'static str {
                match self { $( Self::$factor => concat!($( $doc ),+).trim_ascii() ),+ }
            }

            /// The words that its values may be, for completions; numbers are not among them.
            pub fn words(self) -> Vec<&'static str> {
                match self { $( Self::$factor => <$type>::words() ),+ }
            }

            /// Whether ids name this factor even at its default, because nobody would know the cell without it.
            const fn always_named(self) -> bool {
                match self { $( Self::$factor => factors!(@always $($always)?) ),+ }
            }
        }

        impl Default for Cell {
            fn default() -> Self {
                Self { $( $field: $default ),+ }
            }
        }

        impl Cell {
            /// The text of one factor's value.
            pub fn get(&self, factor: Factor) -> String {
                match factor { $( Factor::$factor => self.$field.to_string() ),+ }
            }

            /// Writes that text.
            ///
            /// # Errors
            /// The writer's.
            pub fn write(&self, factor: Factor, out: &mut impl std::fmt::Write) -> std::fmt::Result {
                match factor { $( Factor::$factor => write!(out, "{}", self.$field) ),+ }
            }

            /// Sets one factor from text.
            ///
            /// # Errors
            /// Text that is no value of this factor.
            pub fn set(&mut self, factor: Factor, text: &str) -> Result<(), String> {
                match factor { $( Factor::$factor => self.$field = text.parse()? ),+ }
                Ok(())
            }

            /// Whether a factor has its default in this cell.
            pub fn is_default(&self, factor: Factor) -> bool {
                match factor { $( Factor::$factor => self.$field == Self::default().$field ),+ }
            }

            /// Gives one factor its default.
            pub fn reset(&mut self, factor: Factor) {
                match factor { $( Factor::$factor => self.$field = Self::default().$field ),+ }
            }

            pub(crate) fn is_named(&self, factor: Factor) -> bool {
                factor.always_named() || !self.is_default(factor)
            }
        }

        /// The values of every factor in a plan; the cells are their product.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct FactorLists {
            $( $(#[doc = $doc])+ pub $field: Vec<$type>, )+
        }

        impl Default for FactorLists {
            /// One cell: every factor at its default.
            fn default() -> Self {
                Self { $( $field: vec![$default] ),+ }
            }
        }

        impl FactorLists {
            /// Replaces one factor's values by a list with commas, such as `64,4KiB` or `64B..1MiB`.
            ///
            /// # Errors
            /// An item that is no value of this factor, an empty list, or a value given twice.
            pub fn set(&mut self, factor: Factor, text: &str) -> Result<(), String> {
                match factor { $( Factor::$factor => self.$field = list(text)? ),+ }
                Ok(())
            }

            /// The texts of one factor's values.
            pub fn get(&self, factor: Factor) -> Vec<String> {
                match factor {
                    $( Factor::$factor => self.$field.iter().map(ToString::to_string).collect() ),+
                }
            }

            /// All combinations, the first factors varying slowest.
            pub fn product(&self) -> Vec<Cell> {
                let mut cells = vec![Cell::default()];
                $(
                    cells = cells
                        .into_iter()
                        .flat_map(|cell| {
                            self.$field.iter().map(move |value| Cell { $field: value.clone(), ..cell.clone() })
                        })
                        .collect();
                )+
                cells
            }
        }
    };
    (@always) => { false };
    (@always always) => { true };
}

fn list<T: FactorValue + PartialEq + std::fmt::Display>(text: &str) -> Result<Vec<T>, String> {
    let mut values: Vec<T> = Vec::new();
    for part in text.split(',') {
        for value in T::item(part)? {
            if values.contains(&value) {
                return Err(format!("{value} stands twice in \"{text}\""));
            }
            if values.len() == MAX_CELLS {
                return Err(format!("more than {MAX_CELLS} values; name fewer"));
            }
            values.push(value);
        }
    }
    Ok(values)
}

factors! {
    /// How the sender hands a message to the kernel: send (A1), staged (A1'), sendmsg (A2), zerocopy (A3), send-more, sendfile, splice, uring-send, uring-sendmsg, uring-write-fixed, uring-send-zc, uring-sendmsg-zc, uring-send-zc-fixed, hybrid; A1 to A3 are their names in the paper.
    Send { send_path: SendPath = SendPath::Send, key "send", id "send", column "send_path", always }
    /// How the receiver takes bytes from the kernel: recv, recvmsg or readv (eight pieces), recv-trunc (MSG_TRUNC, copies nothing), recv-zerocopy (TCP_ZEROCOPY_RECEIVE), uring-recv (io_uring multishot, eight provided buffers).
    Recv { receive_path: ReceivePath = ReceivePath::Recv, key "recv", id "recv", column "receive_path" }
    /// What lies between the two ends: loopback, veth, sink, unix (stream sockets without TCP).
    Link { link: Link = Link::Loopback, key "link", id "link", column "link" }
    /// Message sizes, such as 64,4KiB,20KB or 64B..1MiB.
    Message { message: MessageSize = PAPER_SIZE, key "sizes", id "message_bytes", column "message_bytes", always }
    /// Fields a message, of equal size, such as 1,8; or with a unit or a plus sign the length of each, such as 24,64KiB (--shape 24+64KiB).
    Fields { fields: Fields = Fields::EIGHT, key "fields", id "fields", column "fields" }
    /// How a message's fields lie in memory: scattered, paged, packed.
    Layout { layout: Layout = Layout::Scattered, key "layout", id "layout", column "layout" }
    /// Workers a side.
    Threads { threads: Threads = Threads::ONE, key "threads", id "threads", column "threads", always }
    /// Connections a worker.
    Flows { flows: Flows = Flows::ONE, key "flows", id "flows", column "flows_per_thread" }
    /// Congestion control: auto (cubic if every user may set it, else reno), system, or a name.
    Congestion { congestion: Congestion = Congestion::Auto, key "congestion", id "congestion", column "congestion" }
    /// TCP_NODELAY.
    Nodelay { nodelay: Switch = Switch::Off, key "nodelay", id "nodelay", column "nodelay" }
    /// SO_SNDBUF in bytes, or auto.
    Sndbuf { send_buffer: SocketBuffer = SocketBuffer::Auto, key "sndbuf", id "sndbuf", column "sndbuf_bytes" }
    /// SO_RCVBUF in bytes, or auto.
    Rcvbuf { receive_socket_buffer: SocketBuffer = SocketBuffer::Auto, key "rcvbuf", id "rcvbuf", column "rcvbuf_bytes" }
    /// Message slots a flow, or auto (as many as fill 4 MiB, 4 to 256).
    Ring { ring: Ring = Ring::Auto, key "ring", id "ring", column "ring_slots" }
    /// Whether every message is rewritten before it is sent.
    Rewriting { rewriting: Switch = Switch::Off, key "rewriting", id "rewriting", column "rewriting" }
    /// Bytes a receive call asks for, or message (the message's size).
    ReceiveBuffer { receive_buffer: ReceiveBuffer = ReceiveBuffer::Fixed(131_072), key "receive-buffer", id "receive_buffer", column "receive_buffer_bytes" }
    /// Address family of the data connections: ipv4, ipv6.
    Family { family: Family = Family::Ipv4, key "family", id "family", column "family" }
    /// SO_ZEROCOPY for the zerocopy path; off is the control in which MSG_ZEROCOPY must be an ordinary copy.
    SoZerocopy { so_zerocopy: Switch = Switch::On, key "so-zerocopy", id "so_zerocopy", column "so_zerocopy" }
    /// On which CPUs workers run: split, spare (as split, one core left free), same, none, or senders/receivers such as 0-1/2-3.
    Placement { placement: Placement = Placement::Split, key "placement", id "placement", column "placement" }
    /// Which of several equal cells this is.
    Replica { replica: Replica = Replica::ONE, key "replica", id "replica", column "replica" }
    /// Which instruments watch: cheap (all of them) or none (the control that tells what they cost).
    Watch { watch: Watch = Watch::Cheap, key "watch", id "watch", column "watch" }
    /// MTU of a link's devices in bytes, or auto (veth, sink).
    Mtu { mtu: Mtu = Mtu::Auto, key "mtu", id "mtu", column "mtu_bytes" }
    /// Largest segment in bytes (TCP_MAXSEG), or auto.
    Segment { segment: Segment = Segment::Auto, key "segment", id "segment", column "segment_bytes" }
    /// TCP segmentation offload of a link's devices: auto, on, off (veth, sink).
    Tso { tso: Offload = Offload::Auto, key "tso", id "tso", column "tso" }
    /// Generic segmentation offload of a link's devices: auto, on, off (veth, sink).
    Gso { gso: Offload = Offload::Auto, key "gso", id "gso", column "gso" }
    /// Generic receive offload of a link's devices: auto, on, off (veth).
    Gro { gro: Offload = Offload::Auto, key "gro", id "gro", column "gro" }
    /// Time between two looks of the sink's helper, which acknowledges what came meanwhile, such as 20us or 1ms.
    AckInterval { ack_interval: AckInterval = AckInterval::DEFAULT, key "ack-interval", id "ack_interval", column "ack_interval" }
    /// Whose CPU processes the sink's acknowledgements: helper, sender.
    AckPlacement { ack_placement: AckPlacement = AckPlacement::Helper, key "ack-placement", id "ack_placement", column "ack_placement" }
    /// Bytes from a page's start at which each field begins (layout paged).
    Offset { offset: Offset = Offset::ZERO, key "offset", id "offset", column "offset_bytes" }
    /// When zero-copy completions are read: read, left (not until ENOBUFS; buffers are used again all the while).
    Completions { completions: Completions = Completions::Read, key "completions", id "completions", column "completions" }
    /// Lengths of a message's fields, such as 24+64KiB (a header and a body), or equal; they decide size and number of fields.
    Shape { shape: Shape = Shape::Equal, key "shape", id "shape", column "shape" }
    /// What the senders of a cell offer together, such as 10Gbit/s, or max (SO_MAX_PACING_RATE, shared by its connections).
    Rate { rate: Rate = Rate::Auto, key "rate", id "rate", column "rate" }
    /// Whether the workers of a side have connections of their own: own, shared (all send on the same; not zerocopy).
    Sockets { sockets: Sockets = Sockets::Own, key "sockets", id "sockets", column "sockets" }
    /// Messages that a path through an io_uring submits together, as one linked chain.
    Depth { depth: Depth = Depth::ONE, key "depth", id "depth", column "depth" }
    /// Bytes that a receive call waits for (SO_RCVLOWAT), at most as many as it asks for, or auto (whatever is there).
    Rcvlowat { receive_low_water: LowWater = LowWater::Auto, key "rcvlowat", id "rcvlowat", column "rcvlowat_bytes" }
    /// Fields shorter than this are copied, the others passed by reference, such as 4KiB,16KiB (hybrid); 0 passes all.
    CopyBelow { copy_below: CopyBelow = CopyBelow::DEFAULT, key "copy-below", id "copy_below", column "copy_below_bytes" }
    /// In which pages the messages of a ring lie: normal, huge (transparent huge pages; refused where the kernel gives none).
    Pages { pages: Pages = Pages::Normal, key "pages", id "pages", column "pages" }
    /// Whether a thread of the kernel polls a worker's io_urings and submits for it (IORING_SETUP_SQPOLL): on, off. It takes the next CPU of the senders', or shares its worker's, and its CPU time counts as theirs.
    Sqpoll { sqpoll: Switch = Switch::Off, key "sqpoll", id "sqpoll", column "sqpoll" }
    /// Whether an io_uring is told of its socket once instead of with every request (IORING_REGISTER_FILES): on, off.
    RegisteredFiles { registered_files: Switch = Switch::Off, key "registered-files", id "registered_files", column "registered_files" }
    /// Whether the work that completes requests of an io_uring waits for the sender's next call (IORING_SETUP_DEFER_TASKRUN): auto (where the kernel can and --sqpoll is off), on, off.
    DeferTaskrun { defer_taskrun: Deferral = Deferral::Auto, key "defer-taskrun", id "defer_taskrun", column "defer_taskrun" }
    /// For how long a receive call looks for packets itself before it sleeps, such as 50us, or off (SO_BUSY_POLL; needs a device with NAPI).
    BusyPoll { busy_poll: BusyPoll = BusyPoll::Auto, key "busy-poll", id "busy_poll", column "busy_poll" }
    /// In what file the messages of sendfile lie: memfd, file (on a disk's filesystem, in the page cache; in TMPDIR, /tmp or /var/tmp).
    SendfileFrom { sendfile_from: RingFile = RingFile::Memfd, key "sendfile-from", id "sendfile_from", column "sendfile_from" }
    /// What streams through memory beside a trial: off, stream (a thread on a CPU that no worker has, through more memory than the last-level cache holds; --placement spare leaves one).
    MemoryLoad { memory_load: MemoryLoad = MemoryLoad::Off, key "memory-load", id "memory_load", column "memory_load" }
}

/// What two values of a factor are to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactorKind {
    /// One may be chosen instead of the other: they are compared within blocks.
    Choice,
    /// A quantity over which cost and goodput are followed.
    Axis,
    /// Figures of the two are laid side by side, and never ranked.
    Setting,
    /// A control of the method.
    Control,
}

/// 4 KiB: in the middle of the paper's sizes.
const PAPER_SIZE: MessageSize = match MessageSize::new(4096) {
    Some(size) => size,
    None => unreachable!(),
};

impl Factor {
    /// The factor of a flag or plan key.
    ///
    /// # Errors
    /// An unknown key, with the nearest right one.
    pub fn of_key(key: &str) -> Result<Self, String> {
        let keys: Vec<_> = Self::ALL.iter().map(|factor| factor.key()).collect();
        Self::ALL
            .iter()
            .copied()
            .find(|factor| factor.key() == key)
            .ok_or_else(|| crate::nearest::unknown("factor", key, &keys))
    }

    pub(crate) fn of_id_key(key: &str) -> Result<Self, String> {
        let keys: Vec<_> = Self::ALL.iter().map(|factor| factor.id_key()).collect();
        Self::ALL
            .iter()
            .copied()
            .find(|factor| factor.id_key() == key)
            .ok_or_else(|| crate::nearest::unknown("factor in a cell's id", key, &keys))
    }

    /// The factors in which cells of one block may always differ: the paths with what is of some of them alone, and the controls
    /// that are paired with them.
    pub const ALWAYS_WITHIN_BLOCK: &'static [Self] =
        &[Self::Send, Self::Recv, Self::Replica, Self::SoZerocopy, Self::Watch, Self::CopyBelow];

    /// What two values of it are to each other.
    pub const fn kind(self) -> FactorKind {
        match self {
            Self::Message | Self::Threads | Self::Fields | Self::Flows => FactorKind::Axis,
            // How a link is set up, and raised anew for each: it stays between blocks.
            Self::Link
            | Self::AckInterval
            | Self::AckPlacement
            | Self::Family
            | Self::Mtu
            | Self::Tso
            | Self::Gso
            | Self::Gro
            // Costs at different loads answer different questions.
            | Self::Rate
            // Messages of another shape are other messages.
            | Self::Shape => FactorKind::Setting,
            Self::Replica | Self::Watch => FactorKind::Control,
            Self::Send
            | Self::Recv
            | Self::Layout
            | Self::Offset
            | Self::Congestion
            | Self::Nodelay
            | Self::Sndbuf
            | Self::Rcvbuf
            | Self::Ring
            | Self::Rewriting
            | Self::ReceiveBuffer
            | Self::SoZerocopy
            | Self::Completions
            | Self::Sockets
            | Self::Depth
            | Self::Rcvlowat
            | Self::CopyBelow
            | Self::Pages
            | Self::Sqpoll
            | Self::RegisteredFiles
            | Self::DeferTaskrun
            | Self::BusyPoll
            | Self::SendfileFrom
            | Self::MemoryLoad
            | Self::Placement
            | Self::Segment => FactorKind::Choice,
        }
    }

    /// Whether a link is raised anew for another value of it.
    pub const fn sets_up_link(self) -> bool {
        matches!(
            self,
            Self::Link
                | Self::AckPlacement
                | Self::Family
                | Self::Mtu
                | Self::Tso
                | Self::Gso
                | Self::Gro
        )
    }

    /// Whether this factor means anything on a link. A link without devices has none to set; the sink has no receiver
    /// whose calls or buffer could vary, and only the sink acknowledges by a clock of its own. What is TCP's (addresses, segments,
    /// pacing, SO_ZEROCOPY) does nothing to a unix socket, whose bytes wait in the sender's buffer alone until they are taken.
    pub const fn means_something_on(self, link: Link) -> bool {
        let link = link.capabilities();
        match self {
            Self::Mtu | Self::Tso | Self::Gso => link.has_devices,
            Self::Gro => link.joins_received_packets,
            Self::AckInterval | Self::AckPlacement => link.has_helper,
            Self::Recv | Self::ReceiveBuffer | Self::Rcvlowat | Self::Sockets => link.has_receiver,
            Self::Rcvbuf | Self::BusyPoll => link.has_receiver && link.speaks_tcp,
            Self::Congestion
            | Self::Nodelay
            | Self::Family
            | Self::Segment
            | Self::Rate
            | Self::SoZerocopy => link.speaks_tcp,
            // The engine streams, and on its own host alone.
            Self::MemoryLoad => !link.has_peer_host,
            Self::Send
            | Self::Link
            | Self::Message
            | Self::Fields
            | Self::Layout
            | Self::Offset
            | Self::Threads
            | Self::Flows
            | Self::Sndbuf
            | Self::Ring
            | Self::Rewriting
            | Self::Completions
            | Self::Depth
            | Self::CopyBelow
            | Self::Pages
            | Self::Sqpoll
            | Self::RegisteredFiles
            | Self::DeferTaskrun
            | Self::SendfileFrom
            | Self::Placement
            | Self::Replica
            | Self::Watch
            | Self::Shape => true,
        }
    }
}

/// By the key of plans.
impl<'de> Deserialize<'de> for Factor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::of_key(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// By the key of plans.
impl Serialize for Factor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.key())
    }
}

impl JsonSchema for Factor {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Factor".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let keys: Vec<&str> = Self::ALL.iter().map(|factor| factor.key()).collect();
        schemars::json_schema!({ "type": "string", "enum": keys })
    }
}

//! One value for every factor, and its canonical id.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::factor::Factor;
use crate::names::{
    AckPlacement, Completions, Deferral, Family, Layout, Link, MemoryLoad, Offload, Pages,
    ReceivePath, RingFile, SendPath, Sockets, Switch, Watch,
};
use crate::placement::Placement;
use crate::shape::Shape;
use crate::values::{
    AckInterval, BusyPoll, Congestion, CopyBelow, Depth, Fields, Flows, LowWater, MessageSize, Mtu,
    Offset, Rate, ReceiveBuffer, Replica, Ring, Segment, SocketBuffer, Threads,
};

/// One value for every factor. What each means stands with [`Factor`].
///
/// Its id is canonical `key=value` text in the order of the factors. Defaults are left out, so that a new
/// factor leaves old ids alone; send path, size and threads are always named, as nobody would recognise the
/// cell without them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "documented with the factors")]
pub struct Cell {
    pub send_path: SendPath,
    pub receive_path: ReceivePath,
    pub link: Link,
    pub message: MessageSize,
    pub fields: Fields,
    pub layout: Layout,
    pub threads: Threads,
    pub flows: Flows,
    pub congestion: Congestion,
    pub nodelay: Switch,
    pub send_buffer: SocketBuffer,
    pub receive_socket_buffer: SocketBuffer,
    pub ring: Ring,
    pub rewriting: Switch,
    pub receive_buffer: ReceiveBuffer,
    pub family: Family,
    pub so_zerocopy: Switch,
    pub placement: Placement,
    pub replica: Replica,
    pub watch: Watch,
    pub mtu: Mtu,
    pub segment: Segment,
    pub tso: Offload,
    pub gso: Offload,
    pub gro: Offload,
    pub ack_interval: AckInterval,
    pub ack_placement: AckPlacement,
    pub offset: Offset,
    pub completions: Completions,
    pub shape: Shape,
    pub rate: Rate,
    pub sockets: Sockets,
    pub depth: Depth,
    pub receive_low_water: LowWater,
    pub copy_below: CopyBelow,
    pub pages: Pages,
    pub sqpoll: Switch,
    pub registered_files: Switch,
    pub defer_taskrun: Deferral,
    pub busy_poll: BusyPoll,
    pub sendfile_from: RingFile,
    pub memory_load: MemoryLoad,
}

/// Why a factor means nothing to a cell, so that its value there is the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// Its link has nothing of the kind.
    OnLink(Link),
    /// Its path copies, so that no completion comes.
    Copies(SendPath),
    /// Its path has nothing of the kind: no SO_ZEROCOPY, and no error queue.
    NoErrorQueue(SendPath),
    /// Its path makes calls, each of which sends at once.
    NoRing(SendPath),
    /// Its path copies fields by their length, and not all of them.
    CopiesShortFields(SendPath),
    /// Its path hands over all fields alike.
    AllAlike(SendPath),
    /// Its path sends from memory, and no file's pages.
    NoFile(SendPath),
    /// One worker shares with nobody.
    OneWorker,
    /// Of a ring that a thread polls no call is there to wait for.
    Polled,
    /// Its receivers do not sleep in the call that takes bytes, which alone polls.
    WaitsElsewhere(ReceivePath),
    /// A receiver of several connections sleeps in `epoll_wait`, which does not poll.
    SeveralFlows,
}

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OnLink(link) => write!(f, "it means nothing on {link}"),
            Self::Copies(path) => {
                write!(f, "{path} copies and has no completions; add --send zerocopy")
            }
            Self::NoErrorQueue(path) => {
                write!(f, "{path} needs no SO_ZEROCOPY and has no error queue; add --send zerocopy")
            }
            Self::NoRing(path) => {
                write!(f, "{path} sends at once; add --send uring-sendmsg")
            }
            Self::CopiesShortFields(path) => {
                write!(
                    f,
                    "{path} copies by --copy-below, and reads its completions; add --send zerocopy"
                )
            }
            Self::AllAlike(path) => {
                write!(f, "{path} hands over all fields alike; add --send hybrid")
            }
            Self::NoFile(path) => {
                write!(f, "{path} sends no pages of a file; add --send sendfile")
            }
            Self::OneWorker => f.write_str("one worker shares with nobody; add --threads 2"),
            Self::Polled => {
                f.write_str("a ring that a thread polls never waits for a call; add --sqpoll off")
            }
            Self::WaitsElsewhere(path) => write!(
                f,
                "{path} does not sleep in the call that takes bytes, which alone polls; add --recv recv"
            ),
            Self::SeveralFlows => f.write_str(
                "a receiver of several connections does not sleep in the call that takes bytes, which alone polls; use --flows 1",
            ),
        }
    }
}

/// The cells that differ only in what is compared, by what they share: ids without those factors.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Block(pub String);

impl Cell {
    /// The canonical id.
    pub fn id(&self) -> String {
        self.to_string()
    }

    /// The block that this cell belongs to, where these factors may differ within one.
    pub fn block(&self, within: &[Factor]) -> Block {
        Block(self.text(|factor| !within.contains(&factor)))
    }

    /// The same cell with the factors that mean nothing on its link or to its path at their defaults, and with the size and the
    /// fields that its shape decides: cells that differ in those alone are one.
    #[must_use]
    pub fn on_its_link(self) -> Self {
        let mut cell = self.in_its_shape();
        for factor in Factor::ALL {
            if cell.idle(*factor).is_some() {
                cell.reset(*factor);
            }
        }
        cell
    }

    /// Why a factor means nothing to this cell; none where it means something.
    pub fn idle(&self, factor: Factor) -> Option<Idle> {
        let can = self.send_path.capabilities();
        let is_of_ring = matches!(
            factor,
            Factor::Depth | Factor::Sqpoll | Factor::RegisteredFiles | Factor::DeferTaskrun
        );
        let is_of_zerocopy = matches!(factor, Factor::Completions | Factor::SoZerocopy);
        if !factor.means_something_on(self.link) {
            Some(Idle::OnLink(self.link))
        } else if is_of_zerocopy && can.copies_short_fields {
            Some(Idle::CopiesShortFields(self.send_path))
        } else if factor == Factor::Completions && !self.passes_by_reference() {
            Some(Idle::Copies(self.send_path))
        } else if is_of_zerocopy && can.passes_by_reference && !can.uses_error_queue {
            Some(Idle::NoErrorQueue(self.send_path))
        } else if is_of_ring && !can.goes_through_uring {
            Some(Idle::NoRing(self.send_path))
        } else if factor == Factor::CopyBelow && !can.copies_short_fields {
            Some(Idle::AllAlike(self.send_path))
        } else if factor == Factor::SendfileFrom && !can.sends_from_file {
            Some(Idle::NoFile(self.send_path))
        } else if factor == Factor::Sockets && self.threads == Threads::ONE {
            Some(Idle::OneWorker)
        } else if factor == Factor::DeferTaskrun
            && self.is_polled()
            && self.defer_taskrun == Deferral::Off
        {
            Some(Idle::Polled)
        } else if factor == Factor::BusyPoll && !self.receive_path.capabilities().sleeps_in_call {
            Some(Idle::WaitsElsewhere(self.receive_path))
        } else if factor == Factor::BusyPoll && self.flows.get() > 1 {
            Some(Idle::SeveralFlows)
        } else {
            None
        }
    }

    /// Checks what no single factor can see.
    ///
    /// # Errors
    /// Two factors that exclude each other, with the reason and the remedy.
    pub fn check(&self) -> Result<(), String> {
        self.check_shape()?;
        if self.completions == Completions::Left && self.rewriting.is_on() {
            return Err("completions left unread do not tell when a message may be rewritten; use --rewriting off or --completions read".to_owned());
        }
        let can = self.send_path.capabilities();
        let slots = self.ring.slots(self.message);
        if can.goes_through_uring && self.depth.get() > slots {
            return Err(format!(
                "a depth of {} needs as many message slots, and the ring of {} has {slots}; use --ring {} or a smaller --depth",
                self.depth, self.message, self.depth
            ));
        }
        if self.is_polled() && self.defer_taskrun == Deferral::On {
            return Err("a thread that polls an io_uring completes its requests itself, so that the kernel refuses IORING_SETUP_SQPOLL with IORING_SETUP_DEFER_TASKRUN; use --sqpoll off, or --defer-taskrun auto".to_owned());
        }
        if self.rewriting.is_on() && !can.tells_release() {
            return Err(format!(
                "{} gives the kernel pages and is never told when it has let go of them, so that a message rewritten may arrive changed; use --rewriting off, or a path that copies or has completions",
                self.send_path
            ));
        }
        if self.sendfile_from == RingFile::File && self.pages == Pages::Huge {
            return Err("a disk's filesystem chooses the pages of its files; use --pages normal or --sendfile-from memfd".to_owned());
        }
        if self.sockets == Sockets::Shared && self.passes_by_reference() && can.uses_error_queue {
            return Err(format!(
                "{} has its completions by connection, so that workers cannot share one; use --sockets own, or a path that copies",
                self.send_path
            ));
        }
        Ok(())
    }

    /// Whether threads of the kernel poll its senders' io_urings, one for each worker.
    pub const fn is_polled(&self) -> bool {
        self.send_path.capabilities().goes_through_uring && matches!(self.sqpoll, Switch::On)
    }

    /// Data connections of one trial.
    pub fn connections(&self) -> u32 {
        match self.sockets {
            Sockets::Own => self.rings(),
            Sockets::Shared => self.flows.get(),
        }
    }

    /// Rings of messages: one for each flow of each worker.
    pub fn rings(&self) -> u32 {
        self.threads.get() * self.flows.get()
    }

    /// What the messages of its rings hold together, in bytes: the memory that its senders go through again and again. Fields
    /// that lie apart take more room, and no more bytes are read.
    pub fn ring_payload_bytes(&self) -> u64 {
        let slots = u64::from(self.ring.slots(self.message));
        slots.saturating_mul(self.message.bytes().0).saturating_mul(u64::from(self.rings()))
    }

    fn text(&self, keep: impl Fn(Factor) -> bool) -> String {
        let parts: Vec<String> = Factor::ALL
            .iter()
            .filter(|factor| self.is_named(**factor) && keep(**factor))
            .map(|factor| format!("{}={}", factor.id_key(), self.get(*factor)))
            .collect();
        parts.join(" ")
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text(|_| true))
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Cell {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut cell = Self::default();
        for part in text.split_whitespace() {
            let (key, value) = part
                .split_once('=')
                .ok_or_else(|| format!("{} in a cell's id is no key=value", crate::quoted(part)))?;
            cell.set(Factor::of_id_key(key)?, value)?;
        }
        Ok(cell)
    }
}

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FactorLists;

    #[test]
    fn an_id_leaves_defaults_out_and_reads_back() {
        let cell = Cell { send_path: SendPath::Zerocopy, nodelay: Switch::On, ..Cell::default() };
        assert_eq!(cell.id(), "send=zerocopy message_bytes=4096 threads=1 nodelay=on");
        assert_eq!(cell.id().parse(), Ok(cell));
    }

    #[test]
    fn every_factor_survives_an_id_at_a_value_that_is_not_its_default() {
        let texts = [
            "zerocopy", "recvmsg", "loopback", "77", "3", "paged", "4", "2", "bbr", "on", "65536",
            "131072", "9", "on", "message", "ipv6", "off", "0-1/2-3", "2", "none", "9000", "1000",
            "off", "off", "on", "1ms", "sender", "2048", "left", "24+4096", "10Gbit/s", "shared",
            "8", "32768", "4096", "huge", "on", "on", "off", "50us", "file", "stream",
        ];
        assert_eq!(texts.len(), Factor::ALL.len());
        let mut cell = Cell::default();
        for (factor, text) in Factor::ALL.iter().zip(texts) {
            cell.set(*factor, text).unwrap();
            assert_eq!(cell.get(*factor), text);
        }
        assert_eq!(cell.id().parse(), Ok(cell));
    }

    #[test]
    fn only_a_path_that_sends_a_files_pages_has_a_file_and_a_disk_chooses_its_pages() {
        let of = |id: &str| id.parse::<Cell>().unwrap();
        let sendmsg = of("send=sendmsg sendfile_from=file");
        let why = sendmsg.idle(Factor::SendfileFrom).unwrap().to_string();
        assert!(why.contains("add --send sendfile"), "{why}");
        assert_eq!(sendmsg.on_its_link().sendfile_from, RingFile::Memfd);
        let file = of("send=sendfile sendfile_from=file");
        assert_eq!((file.idle(Factor::SendfileFrom), file.check()), (None, Ok(())));
        let huge = Cell { pages: Pages::Huge, ..file };
        assert!(huge.check().unwrap_err().contains("--pages normal"));
        assert_eq!(Cell { sendfile_from: RingFile::Memfd, ..huge }.check(), Ok(()));
    }

    #[test]
    fn a_cell_keeps_only_what_means_something_on_its_link() {
        let read = |id: &str| id.parse::<Cell>().unwrap();
        let all = "send=send message_bytes=64 threads=2 mtu=9000 gro=off ack_interval=1ms";
        let on = |link: &str| read(&format!("{all} link={link}")).on_its_link().id();
        assert_eq!(on("loopback"), "send=send message_bytes=64 threads=2");
        assert_eq!(on("veth"), "send=send link=veth message_bytes=64 threads=2 mtu=9000 gro=off");
        let sink = read(&on("sink"));
        assert_eq!(
            sink.id(),
            "send=send link=sink message_bytes=64 threads=2 mtu=9000 ack_interval=1ms"
        );
        assert_eq!((sink.busy_threads(), read(&on("veth")).busy_threads()), (3, 4));
    }

    #[test]
    fn completions_are_left_by_a_path_that_gets_them_and_never_while_messages_are_rewritten() {
        let read = |id: &str| id.parse::<Cell>().unwrap().on_its_link();
        assert!(read("send=sendmsg completions=left").is_default(Factor::Completions));
        assert!(!read("send=zerocopy so_zerocopy=off completions=left").is_itself());
        let left = read("send=zerocopy completions=left");
        assert!(!left.is_default(Factor::Completions) && !left.is_itself());
        assert_eq!(left.check(), Ok(()));
        let why = read("send=zerocopy completions=left rewriting=on").check().unwrap_err();
        assert!(why.contains("--completions read") && !why.contains('\n'), "{why}");
    }

    #[test]
    fn workers_share_a_connection_where_there_are_several_and_their_path_copies() {
        let read = |id: &str| id.parse::<Cell>().unwrap().on_its_link();
        assert!(read("send=sendmsg threads=1 sockets=shared").is_default(Factor::Sockets));
        assert!(
            read("send=sendmsg link=sink threads=2 sockets=shared").is_default(Factor::Sockets)
        );
        let shared = read("send=sendmsg threads=4 flows=3 sockets=shared");
        assert_eq!((shared.connections(), shared.rings(), shared.is_itself()), (3, 12, false));
        assert_eq!(shared.check(), Ok(()));
        let why = read("send=zerocopy threads=4 sockets=shared").check().unwrap_err();
        assert!(why.contains("--sockets own") && !why.contains('\n'), "{why}");
    }

    #[test]
    fn a_block_is_what_cells_share_without_their_paths() {
        let mut lists = FactorLists::default();
        lists.set(Factor::Send, "send,sendmsg,zerocopy").unwrap();
        lists.set(Factor::Threads, "1,2").unwrap();
        let cells = lists.product();
        assert_eq!(cells.len(), 6);
        let mut blocks: Vec<_> =
            cells.iter().map(|cell| cell.block(Factor::ALWAYS_WITHIN_BLOCK)).collect();
        blocks.sort();
        blocks.dedup();
        let texts: Vec<_> = blocks.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["message_bytes=4096 threads=1", "message_bytes=4096 threads=2"]);
    }

    #[test]
    fn a_wrong_id_says_which_part_is_wrong() {
        assert!("send=sned".parse::<Cell>().unwrap_err().contains("did you mean \"send\""));
        assert!("speed=9".parse::<Cell>().unwrap_err().contains("speed"));
        assert!("threads".parse::<Cell>().is_err());
    }

    #[test]
    fn a_depth_means_something_to_a_ring_alone_and_needs_as_many_slots() {
        let read = |id: &str| id.parse::<Cell>().unwrap().on_its_link();
        assert!(read("send=sendmsg depth=4").is_default(Factor::Depth));
        let deep = read("send=uring-sendmsg depth=4");
        assert_eq!((deep.depth.get(), deep.check()), (4, Ok(())));
        let why = read("send=uring-send-zc depth=8 ring=4").check().unwrap_err();
        assert!(why.contains("--ring 8"), "{why}");
    }

    #[test]
    fn a_thread_polls_a_ring_alone_and_not_one_that_defers_its_completions() {
        let read = |id: &str| id.parse::<Cell>().unwrap().on_its_link();
        let all = "sqpoll=on registered_files=on defer_taskrun=off";
        assert_eq!(
            read(&format!("send=sendmsg {all}")).id(),
            "send=sendmsg message_bytes=4096 threads=1"
        );
        let polled = read(&format!("send=uring-send {all}"));
        assert!(polled.id().ends_with("sqpoll=on registered_files=on"), "{polled}");
        assert!(polled.is_polled(), "{polled}");
        assert_eq!(polled.check(), Ok(()));
        // The thread of each worker is busy beside both ends' workers.
        let busy = |id: &str| read(id).busy_threads();
        assert_eq!((busy("send=uring-send sqpoll=on threads=2"), busy("send=uring-send")), (6, 2));
        assert_eq!(busy("send=sendmsg sqpoll=on threads=2"), 4);
        let why = read("send=uring-send sqpoll=on defer_taskrun=on").check().unwrap_err();
        assert!(why.contains("--sqpoll off, or --defer-taskrun auto"), "{why}");
        assert_eq!(read("send=uring-send defer_taskrun=on").check(), Ok(()));
    }

    #[test]
    fn a_length_below_which_fields_are_copied_is_of_hybrid_alone_and_doubles_no_other_cell() {
        let read = |id: &str| id.parse::<Cell>().unwrap().on_its_link();
        assert!(read("send=sendmsg copy_below=4096").is_default(Factor::CopyBelow));
        let hybrid = read("send=hybrid copy_below=4096 so_zerocopy=off completions=left");
        assert_eq!(hybrid.id(), "send=hybrid message_bytes=4096 threads=1 copy_below=4096");
        let mut plan = crate::Plan::preset(crate::Preset::Default);
        plan.factors.set(Factor::Send, "sendmsg,zerocopy,hybrid").unwrap();
        plan.factors.set(Factor::Threads, "1").unwrap();
        plan.factors.set(Factor::CopyBelow, "0,4KiB..16KiB").unwrap();
        assert_eq!(plan.cells().len(), 4 * (1 + 1 + 4));
        // All of them stand in the blocks of the paths that they are compared with, also where none has the default.
        assert_eq!(plan.blocks().len(), 4);
        let mut one = plan.clone();
        one.factors.set(Factor::CopyBelow, "4KiB").unwrap();
        one.contrasts = vec!["send: hybrid / sendmsg".parse().unwrap()];
        assert_eq!((one.cells().len(), one.blocks().len()), (12, 4));
        assert_eq!(plan.check(), Ok(()));
        let controls = plan.controls();
        assert!(controls.iter().any(Cell::copies_instead), "{controls:?}");
        plan.factors.set(Factor::Send, "sendmsg").unwrap();
        let idle = plan.idle_values();
        assert_eq!(idle[0].2, Idle::AllAlike(SendPath::Sendmsg), "{idle:?}");
        assert!("65MiB".parse::<CopyBelow>().is_err());
    }
}

//! Which run a row of a CSV file is of, and the machine that measured it.

use model::host::Host;
use model::nic::Nic;
use model::{Factor, Measured};

/// A run and its machine, as the rows of CSV files name them.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    /// The run directory's name, which stays when the label is changed.
    pub run: String,
    /// The machine's host name.
    pub machine: Measured<String>,
    /// The run's label; empty without one.
    pub label: String,
    /// The kernel's release.
    pub kernel: Measured<String>,
    /// The CPU's model.
    pub cpu: Measured<String>,
    /// Factors that the files which the run was imported from do not tell: their fields are empty.
    pub unstated: Vec<Factor>,
    /// The sender's host and the receiver's, where they are two.
    pub hosts: Option<Box<[EndHost; 2]>>,
}

/// The host of one end, where the ends run on two.
#[derive(Clone, Debug, PartialEq)]
pub struct EndHost {
    /// Its host name.
    pub name: Measured<String>,
    /// Its kernel's release.
    pub kernel: Measured<String>,
    /// Its CPU's model.
    pub cpu: Measured<String>,
    /// The device that data goes by.
    pub nic: Measured<Nic>,
}

impl EndHost {
    fn new(host: &Host, nic: &Measured<Nic>) -> Self {
        Self {
            name: host.hostname.clone(),
            kernel: host.kernel.clone(),
            cpu: host.cpu_model.clone(),
            nic: nic.clone(),
        }
    }
}

impl Origin {
    /// Of a run directory's name, the plan's label, and `host.json`.
    pub fn new(run: &str, label: &str, host: &Host) -> Self {
        Self {
            run: run.to_owned(),
            machine: host.hostname.clone(),
            label: label.to_owned(),
            kernel: host.kernel.clone(),
            cpu: host.cpu_model.clone(),
            unstated: Vec::new(),
            hosts: host.nics().map(|[sender, receiver]| {
                let of = [(host.of_sender(), sender), (host.of_receiver(), receiver)];
                Box::new(of.map(|(host, nic)| EndHost::new(host, nic)))
            }),
        }
    }

    /// The same, as more is known of the machines once the records are read.
    #[must_use]
    pub fn on(self, host: &Host) -> Self {
        Self { unstated: self.unstated, ..Self::new(&self.run, &self.label, host) }
    }

    /// The same of a run in which nobody knows the values of these factors.
    #[must_use]
    pub fn without(self, unstated: &[Factor]) -> Self {
        Self { unstated: unstated.to_vec(), ..self }
    }
}

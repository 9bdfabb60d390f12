//! A street of network namespaces: each house has one line to the street, and hospitals have a firewall that lets nothing in.

use anyhow::{Context as _, bail};
use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

/// A house: its name on the street, and the last number of its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct House {
    /// Its name.
    pub(super) name: &'static str,
    /// The last number of its address.
    pub(super) number: u8,
}

/// What a hospital's firewall lets out.
#[derive(Clone, Copy, Debug)]
pub(super) enum Out {
    /// Connections to anywhere.
    Anywhere,
    /// Connections to the proxy of this house at this port, and nothing else.
    Only(House, u16),
}

/// How the line between a house and the street is.
#[derive(Clone, Debug)]
pub(super) enum Line {
    /// Everything passes.
    Whole,
    /// Nothing passes from and to these houses, and nobody is told: packets vanish.
    CutFrom(Vec<House>),
    /// So many of a hundred packets vanish on their way in.
    Loses(u8),
}

/// The namespaces; dropping them takes them away, with all that is in them.
#[derive(Debug)]
pub(super) struct Street {
    mark: String,
    houses: Vec<House>,
}

/// Runs a program that has to succeed; what it printed.
fn must(program: &str, args: &[&str]) -> anyhow::Result<String> {
    let said = Command::new(program).args(args).stdin(Stdio::null()).output();
    let said = said.with_context(|| format!("`{program}` cannot be started: install it, and be root"))?;
    if !said.status.success() {
        bail!("`{program} {}`: {}", args.join(" "), String::from_utf8_lossy(&said.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&said.stdout).into_owned())
}

impl Street {
    /// Builds a street of these houses, which all see each other. The street itself is a namespace, so that nothing of this machine is touched.
    ///
    /// # Errors
    /// Without root, or without iproute2.
    pub(super) fn build(houses: &[House]) -> anyhow::Result<Self> {
        let mut street = Self { mark: format!("q{}", std::process::id()), houses: Vec::new() };
        let middle = format!("{}-street", street.mark);
        must("ip", &["netns", "add", &middle])?;
        must("ip", &["-n", &middle, "link", "add", "road", "type", "bridge"])?;
        must("ip", &["-n", &middle, "link", "set", "road", "up"])?;
        for house in houses {
            street.houses.push(*house);
            let (space, door) = (street.space(*house), format!("to-{}", house.number));
            must("ip", &["netns", "add", &space])?;
            must(
                "ip",
                &["-n", &middle, "link", "add", &door, "type", "veth", "peer", "name", "eth0", "netns", &space],
            )?;
            must("ip", &["-n", &middle, "link", "set", &door, "master", "road", "up"])?;
            must("ip", &["-n", &space, "addr", "add", &format!("{}/24", address(*house)), "dev", "eth0"])?;
            must("ip", &["-n", &space, "link", "set", "eth0", "up"])?;
            must("ip", &["-n", &space, "link", "set", "lo", "up"])?;
        }
        Ok(street)
    }

    /// The namespace of a house.
    #[must_use]
    pub(super) fn space(&self, house: House) -> String {
        format!("{}-{}", self.mark, house.name)
    }

    /// Closes a house: every packet that comes in is dropped and counted, unless it answers what went out; what goes out is limited.
    ///
    /// # Errors
    /// Without root, without nftables, or without connection tracking in the kernel.
    pub(super) fn close(&self, house: House, out: Out) -> anyhow::Result<()> {
        let outward = match out {
            Out::Anywhere => String::new(),
            Out::Only(proxy, port) => format!(
                "  chain out {{
    type filter hook output priority 0; policy drop;
    oif lo accept
    ip daddr {} tcp dport {port} accept
    counter name refused drop
  }}
",
                address(proxy)
            ),
        };
        let rules = format!(
            "table inet firewall {{
  counter dropped {{ }}
  counter refused {{ }}
  chain in {{
    type filter hook input priority 0; policy drop;
    iif lo accept
    ct state established,related accept
    counter name dropped drop
  }}
{outward}}}
"
        );
        self.rule(house, &rules)
    }

    /// What happens to the packets of a house's line from now on, on their way in and on their way out.
    ///
    /// # Errors
    /// Without root or nftables.
    pub(super) fn set(&self, house: House, line: &Line) -> anyhow::Result<()> {
        let (inward, outward) = match line {
            Line::Whole => (String::new(), String::new()),
            Line::CutFrom(others) => {
                let others: Vec<String> = others.iter().map(|other| address(*other)).collect();
                let others = others.join(", ");
                (format!("ip saddr {{ {others} }} drop"), format!("ip daddr {{ {others} }} drop"))
            }
            // Each packet comes in at one house.
            Line::Loses(percent) => (format!("numgen random mod 100 < {percent} drop"), String::new()),
        };
        // What stood before is replaced: to delete what may not be there, it is made first.
        self.rule(
            house,
            &format!(
                "table inet line {{ }}
delete table inet line
table inet line {{
  chain in {{
    type filter hook input priority -10; policy accept;
    iif lo accept
    {inward}
  }}
  chain out {{
    type filter hook output priority -10; policy accept;
    oif lo accept
    {outward}
  }}
}}
"
            ),
        )
    }

    /// Gives rules to nft(8) in a house.
    fn rule(&self, house: House, rules: &str) -> anyhow::Result<()> {
        let space = self.space(house);
        let mut child = Command::new("ip")
            .args(["netns", "exec", &space, "nft", "-f", "-"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("`ip` cannot be started: install it, and be root")?;
        child.stdin.take().context("a pipe was asked for")?.write_all(rules.as_bytes())?;
        let said = child.wait_with_output()?;
        if !said.status.success() {
            bail!("nft does not take the rules: {}", String::from_utf8_lossy(&said.stderr).trim());
        }
        Ok(())
    }

    /// How many packets a house's firewall has dropped: on their way in, and on their way out.
    ///
    /// # Errors
    /// When nft does not say.
    pub(super) fn dropped(&self, house: House) -> anyhow::Result<(u64, u64)> {
        let count = |name: &str| -> anyhow::Result<u64> {
            let space = self.space(house);
            let said = must("ip", &["netns", "exec", &space, "nft", "list", "counter", "inet", "firewall", name])?;
            let count = said.split_whitespace().skip_while(|word| *word != "packets").nth(1);
            count.and_then(|count| count.parse().ok()).with_context(|| format!("nft does not say how many: {said}"))
        };
        Ok((count("dropped")?, count("refused")?))
    }

    /// The TCP sockets in a house, by proc_pid_net(5): the ports on which somebody listens beyond the loopback, and the far ends of connections.
    ///
    /// # Errors
    /// When the process is gone.
    pub(super) fn sockets(pid: u32) -> anyhow::Result<Sockets> {
        let mut sockets = Sockets::default();
        for (file, loopback) in [("tcp", "0100007F"), ("tcp6", "00000000000000000000000001000000")] {
            let table = fs::read_to_string(format!("/proc/{pid}/net/{file}"))?;
            for line in table.lines().skip(1) {
                let mut words = line.split_whitespace().skip(1);
                let (Some(local), Some(remote), Some(state)) = (words.next(), words.next(), words.next()) else {
                    bail!("the kernel's table of sockets has another form: {line}");
                };
                match state {
                    "0A" if !local.starts_with(loopback) => sockets.listening.push(local.to_owned()),
                    "01" if !remote.starts_with(loopback) => sockets.far.push(far_end(remote)?),
                    _ => {}
                }
            }
        }
        Ok(sockets)
    }
}

/// What [`Street::sockets`] found.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    /// Listening sockets, as the kernel writes them.
    pub(super) listening: Vec<String>,
    /// The far ends of established connections, `address:port`.
    pub(super) far: Vec<String>,
}

/// An IPv4 address and port as the kernel writes them: hexadecimal, the address in the machine's own order.
fn far_end(text: &str) -> anyhow::Result<String> {
    let (host, port) = text.split_once(':').context("an address has a port")?;
    let host = u32::from_str_radix(host, 16).context("only IPv4 is spoken in the street")?;
    let [a, b, c, d] = host.to_le_bytes();
    Ok(format!("{a}.{b}.{c}.{d}:{}", u16::from_str_radix(port, 16)?))
}

/// The address of a house.
#[must_use]
pub(super) fn address(house: House) -> String {
    format!("10.77.0.{}", house.number)
}

impl Drop for Street {
    fn drop(&mut self) {
        for space in self.houses.iter().map(|house| self.space(*house)).chain([format!("{}-street", self.mark)]) {
            // What could not be made cannot be taken away.
            let _ = must("ip", &["netns", "del", &space]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::far_end;

    #[test]
    fn the_kernels_table_is_read() {
        assert_eq!(far_end("0100004D:0FA1").ok().as_deref(), Some("77.0.0.1:4001"));
    }
}

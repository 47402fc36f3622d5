//! The container's image, built into a plain folder and run from there.

use std::path::Path;
use std::process::Command;

use crate::stage::{PATIENCE, Program, own, succeeds};

const USER: u32 = 7687;

/// Runs in a namespace of its own: the image's `/etc/chatd`, `/run/chatd` and `/var/lib/chatd` are put
/// where they are in a container.
pub(crate) fn is_what_the_dockerfile_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dockerfile = std::fs::read_to_string(root.join("packaging/Dockerfile")).unwrap();
    let build = word(&dockerfile, "RUN packaging/docker/build ");
    assert_eq!(build, "/image");
    assert!(dockerfile.contains(&format!("COPY --from=build {build} /\n")));
    assert!(dockerfile.contains(&format!("USER {USER}:{USER}\n")));

    let image = tempfile::tempdir().unwrap();
    let programs = own("chatd").parent().unwrap().to_owned();
    succeeds(
        Command::new(root.join("packaging/docker/build"))
            .arg(image.path())
            .env("BINARIES", programs),
    );
    // A copy of /etc, so that nothing of it stays on this machine.
    let mount = "cp -a /etc /run/etc && mount --bind /run/etc /etc
        mkdir -p /etc/chatd /run/chatd /var/lib/chatd
        for folder in /etc/chatd /run/chatd /var/lib/chatd; do
            mount --bind \"$0$folder\" $folder
        done
        chmod 755 \"$0\"";
    succeeds(Command::new("bash").args(["-euc", mount]).arg(image.path()));

    let inside = |command: &[String]| {
        let mut setpriv = Command::new("setpriv");
        let ids = [format!("--reuid={USER}"), format!("--regid={USER}")];
        setpriv.args(ids).args(["--clear-groups", "--"]);
        setpriv.arg(format!("{}{}", image.path().display(), command[0]));
        setpriv.args(&command[1..]).env_clear();
        setpriv
    };
    let daemon = Program::start(&mut inside(&words(&dockerfile, "ENTRYPOINT ")));
    daemon.hears("chat=0.0.0.0:7687 ");
    daemon.hears("metrics=0.0.0.0:9687");
    let health = succeeds(&mut inside(&words(&dockerfile, "HEALTHCHECK CMD ")));
    assert!(health.contains("listeners\tok"), "{health}");
    let stop = ["/usr/bin/chatctl".to_owned(), "shutdown".to_owned()];
    succeeds(&mut inside(&stop));
    assert!(daemon.ends_within(PATIENCE).success());
}

/// The rest of the line that begins with this.
fn word<'a>(dockerfile: &'a str, start: &str) -> &'a str {
    let line = dockerfile.lines().find_map(|line| line.strip_prefix(start));
    line.unwrap_or_else(|| panic!("the Dockerfile has no {start:?}"))
}

/// The words of an instruction in its form for programs.
fn words(dockerfile: &str, start: &str) -> Vec<String> {
    serde_json::from_str(word(dockerfile, start)).unwrap()
}

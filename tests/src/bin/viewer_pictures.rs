//! A picture of the technician's viewer: a real relay, agent and client, an office desktop on one display without
//! hardware and a browser on another. What is seen is for a person to judge: nothing is compared here.
//!
//!     viewer_pictures FILE.png
//!
//! It needs ImageMagick, Chromium, openbox, pcmanfm and gnumeric; `scripts/pictures` installs what is missing.
#![allow(clippy::print_stdout, reason = "says what it made")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nearhand_tests::deployment::{ProgramPlace, TestDeployment};
use nearhand_tests::parties::{TestAgent, TestConsole};
use nearhand_tests::program::{ProgramLogs, TestProgram};
use nearhand_tests::x_display::{XDisplay, window};

/// The customer's screen.
const DEVICE: (u16, u16) = (1280, 800);
/// The technician's browser.
const VIEWER: (u16, u16) = (1600, 1000);
/// How long programs get to draw themselves; nothing here depends on it but the picture's look.
const DRAWING: Duration = Duration::from_secs(4);

const INVOICES: &str = "Invoice,Customer,Date,Net,VAT,Total,Status\n\
    2026-0412,Miller,2026-11-02,1280.00,243.20,1523.20,paid\n\
    2026-0413,Harbour,2026-11-03,342.50,65.08,407.58,paid\n\
    2026-0414,Garden Co,2026-11-05,2190.00,416.10,2606.10,open\n\
    2026-0415,Library,2026-11-06,870.00,165.30,1035.30,paid\n\
    2026-0416,Blue Sky,2026-11-09,455.90,86.62,542.52,open\n\
    2026-0417,Northside,2026-11-10,1675.00,318.25,1993.25,paid\n\
    2026-0418,Old Mill,2026-11-12,218.40,41.50,259.90,overdue\n\
    2026-0419,Riverside,2026-11-13,3420.00,649.80,4069.80,open\n\
    2026-0420,Miller,2026-11-16,960.00,182.40,1142.40,open\n\
    2026-0421,Harbour,2026-11-17,385.00,73.15,458.15,open\n\
    2026-0422,Park Inn,2026-11-18,2745.00,521.55,3266.55,open\n\
    2026-0423,Library,2026-11-19,610.00,115.90,725.90,open\n";

fn main() -> Result<()> {
    let file = std::env::args().nth(1).context("viewer_pictures FILE.png")?;
    let mut office = OfficeDesktop::new()?;
    let words = ["--reason", "the printer shows a red light", "--no-open", "--ask", "view,control"];
    let mut client = office.deployment.admin().connect(&office.console.code, &words)?;
    let event = client.event("viewer")?;
    let url = event.get("url").and_then(|url| url.as_str()).context("the viewer has no address")?;
    let desk = XDisplay::virtual_frame_buffer(VIEWER.0, VIEWER.1, &ProgramLogs::default())?;
    let manager = desk.window_manager()?;
    let browser = desk.chromium(url, &[&format!("--window-size={},{}", VIEWER.0, VIEWER.1)])?;
    office.console.allows()?;
    client.granted(true)?;
    office.console.types("Here is the list that I wanted to print.")?;
    std::thread::park_timeout(2 * DRAWING);
    if desk.run(&["import", "-window", "root", &file]).is_err() {
        bail!("no picture could be taken: is ImageMagick installed?");
    }
    println!("{file}");
    drop((browser, manager, client, office));
    Ok(())
}

/// The customer's desktop with their programs, the agent, and the person at it.
struct OfficeDesktop {
    console: TestConsole,
    deployment: TestDeployment,
    _agent: TestAgent,
    _programs: Vec<TestProgram>,
    _display: XDisplay,
}

impl OfficeDesktop {
    fn new() -> Result<Self> {
        let display = XDisplay::virtual_frame_buffer(DEVICE.0, DEVICE.1, &ProgramLogs::default())?;
        let mut programs = vec![display.window_manager()?];
        programs.extend(office_programs(&display)?);
        let deployment = TestDeployment::new()?;
        let place = ProgramPlace::behind(&["env", &format!("DISPLAY={}", display.name)]);
        let agent = deployment.device_at("front desk", place)?;
        let console = agent.attend()?;
        Ok(Self { console, deployment, _agent: agent, _programs: programs, _display: display })
    }
}

/// Wallpaper, a file manager and a spreadsheet.
fn office_programs(display: &XDisplay) -> Result<Vec<TestProgram>> {
    let home = display.home().join("Documents");
    fs::create_dir_all(home.join("Offers"))?;
    let sheet = written(&home, "Invoices November.csv", INVOICES)?;
    for name in ["Price list 2026.csv", "Invoices October.csv", "Customers.csv"] {
        written(&home, name, INVOICES)?;
    }
    display.run(&["xsetroot", "-solid", "#2b5876"])?;
    let home = home.display().to_string();
    let programs = vec![
        display.start(&["pcmanfm", &home])?,
        display.start(&["gnumeric", "--no-splash", &sheet.display().to_string()])?,
    ];
    for (name, place) in
        [("^Documents$", ["24", "96", "460", "340"]), ("Gnumeric", ["330", "130", "900", "600"])]
    {
        let id = window(display, name)?;
        let [x, y, width, height] = place;
        display.run(&["xdotool", "windowsize", &id, width, height])?;
        display.run(&["xdotool", "windowmove", &id, x, y])?;
    }
    std::thread::park_timeout(DRAWING);
    Ok(programs)
}

fn written(directory: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = directory.join(name);
    fs::write(&path, text)?;
    Ok(path)
}

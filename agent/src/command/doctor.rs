//! stub
#[derive(Debug, clap::Args)]
pub(crate) struct DoctorArgs {}
pub(crate) async fn doctor(_a: DoctorArgs) -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}

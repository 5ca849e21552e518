//! Compiles the window's markup.

fn main() {
    let config = slint_build::CompilerConfiguration::new().with_style("fluent".into());
    if let Err(error) = slint_build::compile_with_config("ui/window.slint", config) {
        println!("cargo::error=ui/window.slint: {error}");
    }
}

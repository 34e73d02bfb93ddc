# filled in by the packaging work: export set, config package, pkg-config file

"""The server's settings as data: our option, and where each xllamacpp version
keeps it in CommonParams. The first name that a version has is the one set.
"""

# Set for every server.
ALWAYS = {
    ("endpoint_metrics",): True,
    ("endpoint_slots",): True,
    ("cont_batching",): True,
    # Fitting to device memory means nothing here and costs a second load.
    ("fit_params",): False,
    # One cache shared by all sequences: a slot may use the whole context.
    ("kv_unified",): True,
    # Errors only; tests read what the server answers, not what it logs.
    ("verbosity",): 1,
}

# Our option -> names in CommonParams.
PARAMS = {
    "model": ("model.path",),
    "port": ("port",),
    "slots": ("n_parallel",),
    "ctx": ("n_ctx",),
    "batch": ("n_batch",),
    "ubatch": ("n_ubatch",),
    "threads": ("cpuparams.n_threads",),
    "threads_batch": ("cpuparams_batch.n_threads",),
    "embeddings": ("embedding",),
    "ctx_shift": ("ctx_shift",),
    "cache_ram": ("cache_ram_mib",),
    "cache_reuse": ("n_cache_reuse",),
    "slot_save_path": ("slot_save_path",),
    "cache_type_k": ("cache_type_k",),
    "draft": ("speculative.draft.mparams.path", "speculative.mparams_dft.path"),
    "draft_max": ("speculative.draft.n_max", "speculative.n_max"),
    "draft_min": ("speculative.draft.n_min", "speculative.n_min"),
    "draft_p_min": ("speculative.draft.p_min", "speculative.p_min"),
    "ngram_size": ("speculative.ngram_simple.size_n", "speculative.ngram_size_n"),
    "ngram_draft": ("speculative.ngram_simple.size_m", "speculative.ngram_size_m"),
}

# A speculative mode -> names in the enum common_speculative_type.
SPECULATIVE_TYPES = {
    "draft": ("COMMON_SPECULATIVE_TYPE_DRAFT_SIMPLE", "COMMON_SPECULATIVE_TYPE_DRAFT"),
    "ngram": ("COMMON_SPECULATIVE_TYPE_NGRAM_SIMPLE",),
}


def _holder(root, name):
    """The object that owns the last part of a dotted name, or None."""
    *path, last = name.split(".")
    for part in path:
        root = getattr(root, part, None)
    return (root, last) if hasattr(root, last) else None


def set_first(params, names, value):
    """Sets the first of the names that this version knows."""
    for name in names:
        found = _holder(params, name)
        if found:
            setattr(*found, value)
            return
    raise AttributeError(f"this version has none of {', '.join(names)}")


def set_host(params, host):
    """One address until 2026-05, a list of them later."""
    if hasattr(params, "hostnames"):
        params.hostnames = [host]
    else:
        params.hostname = host


def set_speculation(params, module, mode):
    """A single type in 0.2.14, a list of types later."""
    kinds = module.common_speculative_type
    kind = next(getattr(kinds, name) for name in SPECULATIVE_TYPES[mode]
                if hasattr(kinds, name))
    if hasattr(params.speculative, "types"):
        params.speculative.types = [kind]
    else:
        params.speculative.type = kind


def set_no_mmap(params, module):
    """A flag until 2026-05, one of several ways to load later."""
    if hasattr(params, "use_mmap"):
        params.use_mmap = False
    else:
        params.load_mode = module.llama_load_mode.LLAMA_LOAD_MODE_NONE

"""The demo's input. In: nothing. Out: a synthetic release tree and tiny encoders with random weights under resources/demo/."""


rule make_demo_dialog:
    output:
        demo_plan.dialog_files("{session}", "{rest}"),
    params:
        code=fingerprint("make_demo_dialog"),
        seed=demo_plan.SEED,
    log:
        "resources/demo/logs/make_demo_dialog/Session{session}_{rest}.log",
    resources:
        mem_mb=2000,
        runtime=10,
    conda:
        "../../envs/emofuse.yaml"
    script:
        "../scripts/make_demo_dialog.py"

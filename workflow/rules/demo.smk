"""The demo's input. In: nothing. Out: a synthetic release tree and tiny encoders with random weights under resources/demo/."""

from emofuse.demo import plan as demo_plan


rule make_demo_dialog:
    output:
        [f"{demo_plan.RELEASE}/{path}" for path in [*demo_plan.DIALOG_FILES.values(), *demo_plan.SENTENCE_FILES]],
    log:
        "resources/demo/logs/make_demo_dialog/Session{session}_{dialog}.log",
    conda:
        "../../envs/emofuse.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=fingerprint("make_demo_dialog"),
        root=demo_plan.RELEASE,
        seed=0,
    script:
        "../scripts/make_demo_dialog.py"


rule make_demo_motion:
    output:
        folders=[directory(f"{demo_plan.RELEASE}/{path}") for path in demo_plan.MOTION_FOLDERS.values()],
        table=f"{demo_plan.RELEASE}/{demo_plan.MOTION_FILE}",
    log:
        "resources/demo/logs/make_demo_motion/Session{session}_{dialog}.log",
    conda:
        "../../envs/emofuse.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=fingerprint("make_demo_motion"),
        root=demo_plan.RELEASE,
        seed=0,
    script:
        "../scripts/make_demo_motion.py"


for folder, encoder in demo_plan.ENCODER_FOLDERS.items():
    # One rule an encoder, because the files of their processors differ.

    rule:
        name:
            f"make_demo_{encoder}"
        output:
            [f"{folder}/{name}" for name in demo_plan.encoder_files(encoder)],
        log:
            f"resources/demo/logs/make_demo_encoder/{encoder}.log",
        priority: 100
        conda:
            "../../envs/emofuse.yaml"
        resources:
            mem_mb=2000,
            runtime=10,
        params:
            code=fingerprint("make_demo_encoder"),
            encoder=encoder,
            folder=folder,
            seed=0,
        script:
            "../scripts/make_demo_encoder.py"

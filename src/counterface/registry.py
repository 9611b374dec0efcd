"""Names of replaceable parts -> where they live; third parties add theirs by entry points."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from counterface.errors import RegistryError
from counterface.wording import unknown_name


@dataclass(frozen=True)
class Registry:
    """A table from name to `module:attribute`, loaded on use.

    A plug-in package adds a line under the entry-point group named in `group`; built-in names win.
    """

    kind: str
    group: str
    built_in: dict[str, str] = field(default_factory=dict)

    def names(self) -> list[str]:
        """Every known name, sorted."""
        return sorted({*self.built_in, *self._plug_ins()})

    def load(self, name: str) -> Any:
        """The object behind a name.

        Raises:
            RegistryError: the name is unknown, or its module cannot be imported.
        """
        target = self.built_in.get(name) or self._plug_ins().get(name)
        if target is None:
            raise RegistryError(unknown_name(self.kind, name, self.names()))
        module, _, attribute = target.partition(":")
        try:
            return getattr(import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise RegistryError(
                f"{self.kind} {name!r} ({target}) cannot be loaded: {error}. "
                "If a package is missing, install counterface[train] (in a clone: make full)."
            ) from error

    def _plug_ins(self) -> dict[str, str]:
        return {entry.name: entry.value for entry in entry_points(group=self.group)}


_FACES = "counterface.faces.backends"
FACE_DETECTORS = Registry(
    "face detector",
    "counterface.face_detectors",
    {
        "full": f"{_FACES}.auto:FullFaceDetector",
        "mediapipe": f"{_FACES}.mediapipe:MediapipeFaceDetector",
        "centerface": f"{_FACES}.centerface:CenterFaceDetector",
        "auto": f"{_FACES}.auto:AutoFaceDetector",
        "yunet": f"{_FACES}.yunet:YuNetFaceDetector",
        "s3fd": f"{_FACES}.s3fd:S3FDFaceDetector",
        "mtcnn": f"{_FACES}.mtcnn:MTCNNFaceDetector",
        "ssd": f"{_FACES}.ssd:SSDFaceDetector",
        "dlib_hog": f"{_FACES}.dlib:DlibHogDetector",
        "dlib_cnn": f"{_FACES}.dlib:DlibCnnDetector",
        "haar": f"{_FACES}.haar:HaarFaceDetector",
        "haar_profile": f"{_FACES}.haar:HaarProfileDetector",
        "manual": f"{_FACES}.manual:ManualFaceDetector",
    },
)
LANDMARKERS = Registry(
    "landmarker",
    "counterface.landmarkers",
    {
        "mediapipe_mesh": f"{_FACES}.mediapipe:MediapipeMesh",
        "mediapipe478": f"{_FACES}.iris:MediapipeIris",
        "fan2d": f"{_FACES}.fan:FAN2D",
        "dlib68": f"{_FACES}.dlib:Dlib68",
        "manual": f"{_FACES}.manual:ManualLandmarker",
    },
)
FACE_SEGMENTERS = Registry(
    "face segmenter",
    "counterface.face_segmenters",
    {
        "generic": "counterface.faces.segment:GenericSegmenter",
        "xseg": "counterface.faces.segment:XSeg",
    },
)
_MEASURES = "counterface.faceset.measures"
FACESET_MEASURES = Registry(
    "measure",
    "counterface.faceset_measures",
    {
        "blur": f"{_MEASURES}.sharpness:BLUR",
        "sharpness_laplacian": f"{_MEASURES}.sharpness:LAPLACIAN",
        "sharpness_fft": f"{_MEASURES}.sharpness:FFT",
        "motion_blur": f"{_MEASURES}.sharpness:MOTION",
        "yaw": f"{_MEASURES}.place:YAW",
        "pitch": f"{_MEASURES}.place:PITCH",
        "roll": f"{_MEASURES}.place:ROLL",
        "size": f"{_MEASURES}.place:SIZE",
        "original": f"{_MEASURES}.place:ORIGINAL",
        "brightness": f"{_MEASURES}.light:BRIGHTNESS",
        "hue": f"{_MEASURES}.light:HUE",
        "black": f"{_MEASURES}.light:BLACK_SHARE",
        "grey_likeness": f"{_MEASURES}.alike:GREY",
        "grey_unlikeness": f"{_MEASURES}.alike:GREY_UNLIKE",
        "colour_likeness": f"{_MEASURES}.alike:COLOUR",
        "colour_unlikeness": f"{_MEASURES}.alike:COLOUR_UNLIKE",
        "difference": f"{_MEASURES}.alike:DIFFERENCE",
        "identity_likeness": f"{_MEASURES}.alike:IDENTITY",
        "identity_unlikeness": f"{_MEASURES}.alike:IDENTITY_UNLIKE",
        "landmark_distance": f"{_MEASURES}.shape:LANDMARK_DISTANCE",
        "mouth_opening": f"{_MEASURES}.shape:MOUTH_OPENING",
        "eye_opening": f"{_MEASURES}.shape:EYE_OPENING",
        "expression": f"{_MEASURES}.shape:EXPRESSION",
        "final": f"{_MEASURES}.cover:FINAL",
    },
)
_DETECT = "counterface.detect.models"
DETECTORS = Registry(
    "detector architecture",
    "counterface.detectors",
    {
        "frame_cnn": f"{_DETECT}.frame_cnn:FrameCNN",
        "texture_cnn": f"{_DETECT}.texture_cnn:TextureCNN",
        "witness": f"{_DETECT}.witness:Witness",
        "pooled_cnn": f"{_DETECT}.pooled_cnn:PooledCNN",
        "resnet34_frames": f"{_DETECT}.pooled_cnn:PooledCNN",
        "xception": f"{_DETECT}.pooled_cnn:PooledCNN",
        "efficientnet_b4": f"{_DETECT}.pooled_cnn:PooledCNN",
        "efficientnet_b4_attention": f"{_DETECT}.pooled_cnn:EfficientNetB4Attention",
        "cnn_images": f"{_DETECT}.cnn_images:CNNImages",
        "meso4": f"{_DETECT}.mesonet:Meso4",
        "meso_inception4": f"{_DETECT}.mesonet:MesoInception4",
        "convlstm_canny": f"{_DETECT}.conv_lstm:ConvLSTM",
        "resnet3d_cutmix": f"{_DETECT}.resnet3d:ResNet3D",
        "fusion": f"{_DETECT}.fusion:Fusion",
        "frame_difference": f"{_DETECT}.frame_difference:FrameDifference",
    },
)
_SWAP = "counterface.swap.models"
SWAP_MODELS = Registry(
    "swap model",
    "counterface.swap_models",
    {
        "original": f"{_SWAP}.small_autoencoders:Original",
        "lightweight": f"{_SWAP}.small_autoencoders:Lightweight",
        "dfaker": f"{_SWAP}.small_autoencoders:DFaker",
        "h128": f"{_SWAP}.small_autoencoders:H128",
        "iae": f"{_SWAP}.small_autoencoders:IAE",
        "liaef128": f"{_SWAP}.small_autoencoders:LIAEF128",
        "df": f"{_SWAP}.df:DF",
        "liae": f"{_SWAP}.liae:LIAE",
        "gan": f"{_SWAP}.gan:GAN",
        "many": f"{_SWAP}.many:Many",
    },
)
_COLOR = "counterface.faces.color"
COLOR_TRANSFERS = Registry(
    "colour transfer",
    "counterface.color_transfers",
    {
        "none": f"{_COLOR}:keep",
        "rct": f"{_COLOR}:transfer_reinhard",
        "lct": f"{_COLOR}:transfer_linear",
        "mkl": f"{_COLOR}:transfer_monge_kantorovitch",
        "idt": f"{_COLOR}:transfer_iterative",
        "sot": f"{_COLOR}:transfer_sliced",
        "mix": f"{_COLOR}:transfer_mixed",
        "histogram": f"{_COLOR}:match_histogram",
        "average": f"{_COLOR}:match_average",
    },
)
_READERS = "counterface.datasets.readers"
DATASET_READERS = Registry(
    "data set layout",
    "counterface.dataset_readers",
    {
        "dfdc": f"{_READERS}.dfdc:Dfdc",
        "dfdc_test": f"{_READERS}.dfdc:DfdcTest",
        "dfdcp": f"{_READERS}.dfdc:DfdcPreview",
        "faceforensics": f"{_READERS}.faceforensics:FaceForensics",
        "dfd": f"{_READERS}.faceforensics:Dfd",
        "celeb_df": f"{_READERS}.celeb_df:CelebDf",
        "deeper_forensics": f"{_READERS}.deeper_forensics:DeeperForensics",
        "ffiw": f"{_READERS}.ffiw:Ffiw",
        "uadfv": f"{_READERS}.uadfv:Uadfv",
        "vidtimit": f"{_READERS}.timit:VidTimit",
        "deepfake_timit": f"{_READERS}.timit:DeepfakeTimit",
        "asvspoof": f"{_READERS}.asvspoof:AsvSpoof",
        "two_folders": f"{_READERS}.two_folders:TwoFolders",
        "deepfakebench": f"{_READERS}.deepfakebench:DeepfakeBench",
        "csv": f"{_READERS}.csv_list:CsvList",
    },
)

CUES = Registry(
    "cue",
    "counterface.cues",
    {
        "face_noise": "counterface.detect.cues.noise:FaceNoise",
        "color_noise": "counterface.detect.cues.noise:ColorNoise",
        "mask_boundary": "counterface.detect.cues.boundary:MaskBoundary",
        "landmark_jitter": "counterface.detect.cues.jitter:LandmarkJitter",
        "detail_flicker": "counterface.detect.cues.flicker:DetailFlicker",
        "face_splotches": "counterface.detect.cues.splotches:FaceSplotches",
        "skin_color_change": "counterface.detect.cues.skin_color:SkinColorChange",
        "frame_difference": "counterface.detect.cues.frame_difference:FrameDifference",
        "head_pose": "counterface.detect.cues.head_pose:HeadPose",
        "identity_drift": "counterface.detect.cues.identity_drift:IdentityDrift",
        "blink": "counterface.detect.cues.blink:Blink",
        "expression_head": "counterface.detect.cues.expression_head:ExpressionHead",
        "pulse": "counterface.detect.cues.pulse:Pulse",
        "pulse_agreement": "counterface.detect.cues.pulse:PulseAgreement",
        "block_grid": "counterface.detect.cues.grid:BlockGrid",
        "spectrum": "counterface.detect.cues.spectrum:Spectrum",
        "eye_reflections": "counterface.detect.cues.reflections:EyeReflections",
        "pupil_shape": "counterface.detect.cues.irises:PupilShape",
        "mouth_detail": "counterface.detect.cues.mouth:MouthDetail",
        "lip_correlation": "counterface.detect.cues.lip_correlation:LipCorrelation",
        "lip_lag": "counterface.detect.cues.lip_lag:LipLag",
        "still_mouth": "counterface.detect.cues.still_mouth:StillMouth",
        "closed_lips": "counterface.detect.cues.closed_lips:ClosedLips",
        "lip_sync": "counterface.detect.cues.lip_sync:LipSync",
        "synthetic_speech": "counterface.detect.cues.synthetic_speech:SyntheticSpeech",
    },
)
PHONEME_RECOGNISERS = Registry(
    "phoneme recogniser",
    "counterface.phonemes",
    {"pocketsphinx": "counterface.detect.phonemes.sphinx:SphinxPhonemes"},
)

// Small folders in the shape of the public sets, with pictures of one colour.
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import sharp from "sharp";
import { onTestFinished } from "vitest";

/** A temporary folder that goes with its test. */
export async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "villa-recipes-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes files; a number is a picture of 120 × 100 pixels of that shade. */
async function write(folder: string, files: Readonly<Record<string, string | number | Uint8Array | object>>) {
  for (const [name, contents] of Object.entries(files)) {
    const path = join(folder, name);
    await mkdir(dirname(path), { recursive: true });
    if (typeof contents === "number") await picture(contents).toFile(path);
    else {
      const plain = typeof contents === "string" || contents instanceof Uint8Array;
      await writeFile(path, plain ? contents : JSON.stringify(contents));
    }
  }
}

function picture(shade: number) {
  const background = { r: shade, g: (2 * shade) % 256, b: 90 };
  return sharp({ create: { width: 120, height: 100, channels: 3, background } });
}

export async function makeCoco(folder: string): Promise<void> {
  const images = (first: number) =>
    [first, first + 1].map((id) => ({ id, file_name: `${String(id).padStart(12, "0")}.jpg` }));
  const categories = [
    { id: 1, name: "person" },
    { id: 18, name: "dog" },
  ];
  const of = (first: number) => ({
    captions: {
      images: images(first),
      annotations: [
        { image_id: first, id: 1, caption: "A woman walks two dogs." },
        { image_id: first, id: 2, caption: "Dogs on a leash" },
        { image_id: first + 1, id: 3, caption: "A dog sleeps, approx. 0.5 m long. Nobody is there." },
      ],
    },
    instances: {
      images: images(first),
      categories,
      annotations: [
        { image_id: first, id: 1, bbox: [10, 10, 30.5, 60], category_id: 1, iscrowd: 0 },
        { image_id: first, id: 2, bbox: [50, 50, 20, 20], category_id: 18, iscrowd: 0 },
        { image_id: first, id: 3, bbox: [0, 0, 120, 100], category_id: 1, iscrowd: 1 },
      ],
    },
  });
  await write(folder, {
    "annotations/captions_train2017.json": of(1).captions,
    "annotations/instances_train2017.json": of(1).instances,
    "annotations/captions_val2017.json": of(5).captions,
    "annotations/instances_val2017.json": of(5).instances,
    "train2017/000000000001.jpg": 10,
    "train2017/000000000002.jpg": 20,
    "val2017/000000000005.jpg": 30, // its other picture is missing
  });
}

export async function makeFlickr(folder: string): Promise<void> {
  const annotation = `<annotation><filename>1001.jpg</filename><size><width>120</width><height>100</height><depth>3</depth></size>
<object><name>1</name><bndbox><xmin>5</xmin><ymin>5</ymin><xmax>40</xmax><ymax>90</ymax></bndbox></object>
<object><name>2</name><name>3</name><bndbox><xmin>50</xmin><ymin>5</ymin><xmax>90</xmax><ymax>60</ymax></bndbox></object>
<object><name>4</name><scene>1</scene><nobndbox>1</nobndbox></object></annotation>`;
  await write(folder, {
    "train.txt": "1001\n",
    "val.txt": "1002\n",
    "test.txt": "1003\n",
    "Sentences/1001.txt":
      "[/EN#1/people A man] in [/EN#2/clothing red shirts] with [/EN#3/animals his dog] on [/EN#4/scene a street] .\n[/EN#1/people Someone] waits .\n",
    "Sentences/1002.txt": "[/EN#9/people Two women] talk .\n",
    "Sentences/1003.txt": "[/EN#8/other A ball] .\n",
    "Annotations/1001.xml": annotation,
    "Annotations/1002.xml": "<annotation><filename>1002.jpg</filename></annotation>",
    "Annotations/1003.xml": "<annotation><filename>1003.jpg</filename></annotation>",
    "flickr30k-images/1001.jpg": 10,
    "flickr30k-images/1002.jpg": 20,
  });
}

/** Twelve patients, every third with an effusion in the left lung's box. */
export async function makeMimic(mimic: string, imaGenome: string): Promise<void> {
  const patients = Array.from({ length: 12 }, (_, i) => 10_000_032 + i);
  const files: Record<string, string | number | object> = {};
  const graphs: Record<string, object> = {};
  const split = ["dicom_id,study_id,subject_id,split"];
  const metadata = ["dicom_id,subject_id,study_id,ViewPosition"];
  for (const [i, patient] of patients.entries()) {
    const [study, folder] = [50_000_000 + i, `files/p10/p${patient}`];
    const isIll = i % 3 === 0;
    split.push(`aa-${i},${study},${patient},${i === 10 ? "validate" : i === 11 ? "test" : "train"}`);
    split.push(`lat-${i},${study},${patient},train`);
    metadata.push(`aa-${i},${patient},${study},${i % 2 ? "PA" : "AP"}`, `lat-${i},${patient},${study},LATERAL`);
    files[`${folder}/s${study}/aa-${i}.jpg`] = isIll ? 220 : 20;
    const findings = isIll
      ? "Small left pleural\n effusions, approx. 3.5 cm. The heart is mildly enlarged. Possible atelectasis."
      : "No pleural effusion or pneumothorax. Edema cannot be excluded.";
    files[`${folder}/s${study}.txt`] =
      i === 7
        ? "WET READ: ___"
        : `                 FINAL REPORT\n EXAMINATION:  CHEST\n\n INDICATION:  Pneumonia?\n\n FINDINGS:  ${findings}\n\n IMPRESSION:\n\n 1. See above.\n`;
    const box = (name: string, x: number) => ({
      bbox_name: name,
      original_x1: x,
      original_y1: 10,
      original_x2: x + 50,
      original_y2: 90,
    });
    graphs[`silver_dataset/scene_graph/aa-${i}_SceneGraph.json`] = {
      objects: [box("right lung", 5), box("left lung", 65)],
      attributes: [
        {
          bbox_name: "left lung",
          attributes: [
            [isIll ? "anatomicalfinding|yes|pleural effusion" : "anatomicalfinding|no|pleural effusion"],
            ["nlp|yes|abnormal"],
          ],
        },
      ],
    };
  }
  await write(mimic, {
    ...files,
    "mimic-cxr-2.0.0-split.csv.gz": gzipSync(split.join("\n")),
    "mimic-cxr-2.0.0-metadata.csv.gz": gzipSync(metadata.join("\n")),
  });
  await write(imaGenome, graphs);
}

export async function makeOpenI(folder: string): Promise<void> {
  const citation = (texts: string, images: readonly string[]) =>
    `<?xml version="1.0"?><eCitation><MedlineCitation><Article><Abstract>${texts}</Abstract></Article></MedlineCitation>${images
      .map((id) => `<parentImage id="${id}"><caption>Chest</caption></parentImage>`)
      .join("")}</eCitation>`;
  const abstract = (label: string, text: string) => `<AbstractText Label="${label}">${text}</AbstractText>`;
  const whole =
    abstract("INDICATION", "Edema?") + abstract("FINDINGS", "Heart size &lt; normal. Effusions, e.g. 3.5 cm.");
  await write(folder, {
    "ecgen-radiology/1.xml": citation(whole + abstract("IMPRESSION", "Possible edema."), ["CXR1_1", "CXR1_2"]),
    "ecgen-radiology/2.xml": citation(abstract("COMPARISON", "None.") + abstract("FINDINGS", ""), ["CXR2_1"]),
    "NLMCXR_png/CXR1_1.png": 10,
    "NLMCXR_png/CXR1_2.png": 20,
    "NLMCXR_png/CXR2_1.png": 30,
  });
}

export async function makeDeepFashion(folder: string): Promise<void> {
  const names = [
    "WOMEN/Dresses/id_00000001/01_1_front.jpg",
    "WOMEN/Dresses/id_00000001/01_2_side.jpg",
    "MEN/Tees/id_00000002/01_1_front.jpg",
  ];
  const images = names.map((name) => `img/${name}`);
  const items = ["id_00000001", "id_00000001", "id_00000002"];
  await write(folder, {
    "Anno/list_bbox_inshop.txt": `3\nimage_name  clothes_type  pose_type  x_1  y_1  x_2  y_2\n${images.map((name, i) => `${name}  3  1  ${10 + i}  5  90  130`).join("\n")}\n`,
    "Anno/list_description_inshop.json": [
      {
        item: "id_00000001",
        color: "Red",
        description: ["A floral dress.", "Sleeveless, approx. 90 cm.", "No buttons."],
      },
      { item: "id_00000002", color: "Blue", description: ["Two striped tees"] },
    ],
    "Eval/list_eval_partition.txt": `3\nimage_name item_id evaluation_status\n${images.map((name, i) => `${name} ${items[i]} ${i < 2 ? "query" : "train"}`).join("\n")}\n`,
    ...Object.fromEntries(images.map((name, i) => [name, 10 * i])),
  });
}

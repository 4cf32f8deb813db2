// Usage: node --import tsx --conditions=@villa/source make-photos.ts FOLDER [PHOTOS]
import { makePhotos } from "./src/photos.ts";

const [folder = "photos", photos = "150"] = process.argv.slice(2);
await makePhotos(folder, { photos: Number(photos) });
console.log(`${photos} photos in ${folder}`);

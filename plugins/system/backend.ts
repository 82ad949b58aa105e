/** What the system area asks the other areas of a job, when they are there. */
import { type Token, token } from "../../core/kernel/scope.ts";

/** How many containers the job has, for `/info`. */
export interface ContainerCounts {
  counts(): { readonly running: number; readonly paused: number; readonly stopped: number };
}

/** Job-scoped; the containers area provides it. */
export const ContainerCountsToken: Token<ContainerCounts> = token("system.containers");

/** How many images the job sees, for `/info`. */
export interface ImageCounts {
  imageCount(): number;
}

/** Job-scoped; the images area provides it. */
export const ImageCountsToken: Token<ImageCounts> = token("system.images");

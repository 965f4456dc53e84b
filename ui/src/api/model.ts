// The names under which the dashboard reads the contract's shapes. Refuses to define any: they come from the OpenAPI document.

import type { components, paths } from "./schema";

type Schemas = components["schemas"];

export type Action = Schemas["Action"];
export type Activation = Schemas["Activation"];
export type Arm = Schemas["Arm"];
export type ArmSummary = Schemas["ArmSummary"];
export type ArtifactVersion = Schemas["VersionView"];
export type CategorySummary = Schemas["CategorySummary"];
export type Change = Schemas["Change"];
export type EventView = Schemas["RolloutEvent"];
export type Evidence = Schemas["Evidence"];
export type FeatureView = Schemas["FeatureView"];
export type GuardrailEvidence = Schemas["GuardrailEvidence"];
export type GuardrailLimit = Schemas["GuardrailLimit"];
export type HarmPoint = Schemas["HarmPoint"];
export type HoldReason = Schemas["HoldReason"];
export type InteractionFilter = NonNullable<paths["/api/v1/interactions"]["get"]["parameters"]["query"]>;
export type InteractionRecord = Schemas["InteractionRecord"];
export type InteractionView = Schemas["InteractionView"];
export type Metric = Schemas["Metric"];
export type Need = Schemas["Need"];
export type Overview = Schemas["Overview"];
export type PairEvidence = Schemas["PairEvidence"];
export type Phase = Schemas["Phase"];
export type Point = Schemas["Point"];
export type Problem = Schemas["Problem"];
export type Reach = Schemas["Reach"];
export type Report = Schemas["Report"];
export type Revision = Schemas["Revision"];
export type RevisionSummary = Schemas["RevisionSummary"];
export type RollbackAnswer = Schemas["RolledBackNow"];
export type RolloutSummary = Schemas["RolloutSummary"];
export type RolloutView = Schemas["RolloutView"];
export type Score = Schemas["ScoreRecord"];
export type Series = Schemas["Series"];
export type ShadowEvidence = Schemas["ShadowEvidence"];
export type StageKind = Schemas["StageKind"];
export type StageStatus = Schemas["StageStatus"];
export type StageView = Schemas["StageView"];
export type Verdict = Schemas["Verdict"];

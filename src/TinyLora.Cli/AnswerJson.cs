using TinyLora.Conversation;
using TinyLora.Inference;

namespace TinyLora.Cli;

/// <summary>Writes an answer as one JSON object on one line.</summary>
internal static class AnswerJson
{
    public static void Write(Stream output, Model model, ReadOnlySpan<int> prompt, Answer answer)
    {
        using (var json = JsonOutput.Open(output))
        {
            json.WriteStartObject();
            json.WriteString("text"u8, answer.Utf8);
            JsonOutput.WriteNumbers(json, "prompt_ids", prompt);
            JsonOutput.WriteNumbers(json, "token_ids", answer.Tokens);
            json.WriteString("stop_reason", Name(answer.StopReason));
            json.WriteNumber("prompt_tokens", prompt.Length);
            json.WriteNumber("generated_tokens", answer.Tokens.Length);
            json.WriteNumber("prompt_tokens_per_second", Math.Round(answer.PromptRate, 2));
            json.WriteNumber("tokens_per_second", Math.Round(answer.GenerationRate, 2));
            if (answer.Seed is { } seed) json.WriteNumber("seed", seed);
            json.WriteStartArray("adapters");
            foreach (var adapter in answer.Adapters)
            {
                json.WriteStartObject();
                json.WriteString("name", adapter.Name);
                json.WriteString("path", adapter.Path);
                json.WriteNumber("scale", adapter.Scale);
                if (adapter.FirstPosition > 0) json.WriteNumber("first_position", adapter.FirstPosition);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteNumber("threads", model.ThreadCount);
            json.WriteString("instruction_set", model.InstructionSet.Name);
            json.WriteEndObject();
        }
        output.WriteByte((byte)'\n');
    }

    private static string Name(StopReason reason) => reason switch
    {
        StopReason.EndOfGeneration => "end_of_generation",
        StopReason.MaxTokenLimitReached => "max_tokens",
        StopReason.StopSequenceDetected => "stop_sequence",
        StopReason.ContextSizeLimitExceeded => "context_full",
        _ => "cancelled",
    };
}

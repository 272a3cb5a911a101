using System.Collections;
using Microsoft.Build.Framework;
using Microsoft.Build.Utilities;
using TinyLora.Build;

namespace TinyLora.Generators.Tests.Build;

/// <summary>A build task in this process, with what it logs.</summary>
internal sealed class TaskRun : IBuildEngine
{
    public TaskRun(params TaskItem[] models)
        : this(new WriteModelManifests { Models = models })
    {
    }

    public TaskRun(ITask task)
    {
        task.BuildEngine = this;
        Succeeded = task.Execute();
    }

    public bool Succeeded { get; }

    public List<BuildErrorEventArgs> Errors { get; } = [];

    public bool ContinueOnError => false;

    public int LineNumberOfTaskNode => 0;

    public int ColumnNumberOfTaskNode => 0;

    public string ProjectFileOfTaskNode => "";

    public static TaskItem Model(string path, string manifest, string ranks = "")
    {
        var item = new TaskItem(path);
        item.SetMetadata("ManifestPath", manifest);
        item.SetMetadata("Ranks", ranks);
        return item;
    }

    public bool BuildProjectFile(string projectFileName, string[] targetNames, IDictionary globalProperties, IDictionary targetOutputs) => false;

    public void LogErrorEvent(BuildErrorEventArgs e) => Errors.Add(e);

    public void LogWarningEvent(BuildWarningEventArgs e) => throw new InvalidOperationException(e.Message);

    public void LogMessageEvent(BuildMessageEventArgs e)
    {
    }

    public void LogCustomEvent(CustomBuildEventArgs e)
    {
    }
}
